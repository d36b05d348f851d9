# hostname NAME: gives the machine a host name, now and at every start. As root. Prints "changed" if it had another.
set -eu
name=$1
changed=
hosts=$(cat /etc/hosts 2>/dev/null || true)
# Before the name itself changes: sudo looks it up, and waits for DNS where /etc/hosts does not have it.
wanted=$(printf '%s\n' "$hosts" | awk -v name="$name" '
    $1 == "127.0.1.1" { if (!done) print "127.0.1.1\t" name; done = 1; next }
    { print }
    END { if (!done) print "127.0.1.1\t" name }')
if [ "$wanted" != "$hosts" ]; then
    # Not renamed into place: in a container /etc/hosts is a mount of its own.
    printf '%s\n' "$wanted" >/etc/hosts
    changed=1
fi
if [ "$(cat /etc/hostname 2>/dev/null || true)" != "$name" ]; then
    printf '%s\n' "$name" >/etc/hostname
    changed=1
fi
if [ "$(uname -n)" != "$name" ]; then
    hostnamectl set-hostname "$name" 2>/dev/null || hostname "$name"
    changed=1
fi
[ "$(uname -n)" = "$name" ] || { echo "the host name is still $(uname -n)" >&2; exit 1; }
[ -z "$changed" ] || echo changed
