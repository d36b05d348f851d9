# run [ARGUMENT...]: runs the script on standard input, by what its first line names, else by sh.
set -eu
file=$(mktemp "${TMPDIR:-/tmp}/labwright-kit.XXXXXX")
trap 'rm -f "$file"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
cat >"$file"
chmod 0700 "$file"
IFS= read -r first <"$file" || true
status=0
case $first in
    '#!'*) "$file" "$@" </dev/null || status=$? ;;
    *) sh "$file" "$@" </dev/null || status=$? ;;
esac
exit "$status"
