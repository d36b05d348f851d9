# put FOLDERS [PLACE OWNER GROUP MODE]...: puts files in their places, all of them or none. As root.
#
# Standard input is a tar archive of the files, called 0, 1, 2 ... in the order of the places. Prints the numbers of
# those that were not like that already. FOLDERS: make, where missing folders are to be made.
set -eu
umask 077
folders=$1
shift
work=$(mktemp -d "${TMPDIR:-/tmp}/labwright-kit.XXXXXX")
mark=.labwright-kit.${work##*.}
cleanup() {
    rm -rf "$work"
    # Only there when something has failed: what was to be put beside its place.
    while [ "$#" -ge 4 ]; do
        rm -f "$(dirname "$1")/$mark.$(basename "$1")"
        shift 4
    done
}
trap 'cleanup "$@"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
tar -x -o -C "$work" -f -

each() {
    step=$1
    shift
    number=0
    while [ "$#" -ge 4 ]; do
        "$step" "$number" "$1" "$2" "$3" "$4"
        number=$((number + 1))
        shift 4
    done
}

beside() {
    echo "$(dirname "$1")/$mark.$(basename "$1")"
}

prepare() {
    [ -f "$work/$1" ] || { echo "file $1 has not come" >&2; exit 1; }
    [ ! -d "$2" ] || { echo "$2 is a folder" >&2; exit 1; }
    folder=$(dirname "$2")
    if [ ! -d "$folder" ]; then
        [ "$folders" = make ] || { echo "there is no folder $folder" >&2; exit 1; }
        install -d -m 0755 "$folder"
    fi
    # In the same file system, so that what follows is only a change of names.
    install -o "$3" -g "$4" -m "$5" "$work/$1" "$(beside "$2")"
}

place() {
    if [ -f "$2" ] && [ ! -L "$2" ] && cmp -s "$(beside "$2")" "$2" &&
        [ "$(stat -c '%u:%g:%a' "$2")" = "$(stat -c '%u:%g:%a' "$(beside "$2")")" ]; then
        rm -f "$(beside "$2")"
    else
        mv -f "$(beside "$2")" "$2"
        echo "$1"
    fi
}

each prepare "$@"
each place "$@"
