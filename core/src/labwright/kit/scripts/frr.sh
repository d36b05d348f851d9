# frr DAEMON...: gives FRR the configuration on standard input, and switches on these daemons. As root.
#
# Prints "changed" if FRR has to be restarted for it. What vtysh does not understand is put nowhere.
set -eu
command -v vtysh >/dev/null || { echo "FRR is not installed: there is no vtysh" >&2; exit 1; }
umask 077
work=$(mktemp -d "${TMPDIR:-/tmp}/labwright-kit.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
cat >"$work/frr.conf"
# For a line that it does not understand vtysh ends with a status other than 0; configuration for a daemon that does not
# run is dropped without a word, which is why the daemons come first.
vtysh -C -f "$work/frr.conf" >&2

changed=
replace() {
    cmp -s "$work/$1" "/etc/frr/$1" && return
    install -o frr -g "$2" -m 0640 "$work/$1" "/etc/frr/.$1.labwright-kit"
    mv -f "/etc/frr/.$1.labwright-kit" "/etc/frr/$1"
    changed=1
}

cat /etc/frr/daemons >"$work/daemons" 2>/dev/null || : >"$work/daemons"
for daemon in "$@"; do
    if grep -q "^$daemon=" "$work/daemons"; then
        sed -i "s/^$daemon=.*/$daemon=yes/" "$work/daemons"
    else
        echo "$daemon=yes" >>"$work/daemons"
    fi
done
# With `no service integrated-vtysh-config` FRR would read one file for each daemon, and not this one.
{ grep -v 'service integrated-vtysh-config' /etc/frr/vtysh.conf 2>/dev/null || true
  echo 'service integrated-vtysh-config'; } >"$work/vtysh.conf"
replace daemons frr
replace vtysh.conf frrvty
replace frr.conf frr
[ -z "$changed" ] || echo changed
