# keys NAME: the public keys on standard input, one a line, let the user in. As root. Prints "changed" if one was new.
set -eu
name=$1
id "$name" >/dev/null
# As the user: root must not follow what a user may have put in the place of a folder of its own.
exec su -s /bin/sh "$name" -c '
    set -eu
    umask 077
    cd
    mkdir -p .ssh
    file=.ssh/authorized_keys
    touch "$file"
    chmod go-w . .ssh "$file"
    # A last line without an end would swallow the next key.
    [ -z "$(tail -c 1 "$file")" ] || echo >>"$file"
    changed=
    while IFS= read -r key; do
        if ! grep -qxF -e "$key" "$file"; then
            printf "%s\n" "$key" >>"$file"
            changed=1
        fi
    done
    [ -z "$changed" ] || echo changed
'
