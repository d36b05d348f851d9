# user NAME SHELL [GROUP...]: there is such a user, in these groups beside its own. As root.
#
# Standard input: its password, or nothing for none. Prints "changed" if there was something to do.
set -eu
name=$1
shell=$2
shift 2
changed=
if ! id "$name" >/dev/null 2>&1; then
    [ -x "$shell" ] || shell=/bin/sh
    useradd --create-home --shell "$shell" "$name"
    changed=1
fi
for group in "$@"; do
    if ! id -nG "$name" | tr ' ' '\n' | grep -qxF -e "$group"; then
        usermod --append --groups "$group" "$name"
        changed=1
    fi
done
password=$(cat)
if [ -n "$password" ]; then
    hash=$(awk -F: -v name="$name" '$1 == name { print $2 }' /etc/shadow)
    # Perl is part of Debian's base; without it the password is set each time.
    if ! printf '%s\n%s' "$hash" "$password" | perl -e '
        chomp(my $hash = <STDIN>); local $/; my $password = <STDIN>;
        exit((crypt($password, $hash) // "") eq $hash ? 0 : 1)' 2>/dev/null; then
        printf '%s:%s\n' "$name" "$password" | chpasswd
        changed=1
    fi
fi
[ -z "$changed" ] || echo changed
