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
beside() {
    # Not echo, which in sh reads backslashes.
    printf '%s\n' "$(dirname "$1")/$mark.$(basename "$1")"
}

placed=' '
cleanup() {
    rm -rf "$work"
    number=0
    while [ "$#" -ge 4 ]; do
        new=$(beside "$1")
        case $placed in
            # A later file could not take its place: what was there before comes back.
            *" $number "*) if [ -e "$new.old" ] || [ -L "$new.old" ]; then mv -f "$new.old" "$1"; else rm -f "$1"; fi || : ;;
        esac
        rm -f "$new" "$new.old"
        number=$((number + 1))
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

prepare() {
    [ -f "$work/$1" ] || { echo "file $1 has not come" >&2; exit 1; }
    [ ! -d "$2" ] || { printf '%s\n' "$2 is a folder" >&2; exit 1; }
    folder=$(dirname "$2")
    if [ ! -d "$folder" ]; then
        [ "$folders" = make ] || { printf '%s\n' "there is no folder $folder" >&2; exit 1; }
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
        if [ -e "$2" ] || [ -L "$2" ]; then
            ln -P "$2" "$(beside "$2").old" 2>/dev/null || cp -a "$2" "$(beside "$2").old"
        fi
        placed="$placed$1 "
        mv -f "$(beside "$2")" "$2"
    fi
}

each prepare "$@"
each place "$@"
changed=$placed placed=
echo "$changed"
