#!/bin/sh
# Runs in the booted image as its user: rpm finds every file as its package left it, and the services are CentOS's own.
set -eu

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

[ "$(id -un)" = antidote ] || fail "the user is $(id -un), not antidote"
[ "$(sudo -n id -u)" = 0 ] || fail "sudo asks for a password"
[ -d /antidote ] || fail "there is no /antidote"

# docs/centos.md lists the files that are changed, and why.
changed=$(sudo rpm --verify --all | grep -Ev '^.{9}  c /etc/(hosts|selinux/config|yum\.repos\.d/[^/]+\.repo)$' || true)
[ -z "$changed" ] || fail "rpm --verify finds changes: $changed"

release=$(uname -r)
[ "$(rpm --query --queryformat '%{NAME}' --file "/boot/vmlinuz-$release")" = kernel-labwright ] ||
    fail "no package owns the kernel $release"
case $release in *.el[0-9]*.x86_64-labwright) ;; *) fail "uname -r does not name the source package: $release" ;; esac
sudo modprobe dummy || fail "a module of the kernel does not load"

for unit in sshd NetworkManager chronyd; do
    systemctl --quiet is-active $unit.service || fail "$unit does not run"
done
nmcli --terse --fields NAME,DEVICE connection show --active | grep -qx 'management:eth0' ||
    fail "NetworkManager does not have eth0: $(nmcli --terse connection)"
for name in eth1 eth2; do
    [ -z "$(ip -brief address show dev $name | awk '{ print $3 }')" ] || fail "$name has an address"
done
[ ! -e /sys/fs/selinux/enforce ] || fail "SELinux is on"
dnf --quiet --version > /dev/null || fail "dnf does not run"
