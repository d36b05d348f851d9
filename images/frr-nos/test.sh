#!/bin/sh
# Runs in the image, booted anew: what console and NAPALM did is still there.
set -eu

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

[ "$(id -un)" = antidote ] || fail "the user is $(id -un), not antidote"
[ "$(sudo -n id -u)" = 0 ] || fail "sudo asks for a password"
case " $(id -Gn) " in *" frrvty "*) ;; *) fail "the user is not in the group frrvty" ;; esac
[ "$(hostname)" = frr-nos ] || fail "the host is called $(hostname)"
for interface in eth0 eth1 eth2 eth3; do
    [ -e "/sys/class/net/$interface" ] || fail "there is no interface $interface"
done
[ "$(/sbin/sysctl -n net.ipv4.ip_forward)" = 1 ] || fail "it does not forward"
systemctl --quiet is-active frr.service || fail "frr.service does not run"
running=" $(vtysh -c 'show daemons') "
for daemon in zebra staticd watchfrr bgpd ospfd; do
    case $running in *" $daemon "*) ;; *) fail "$daemon does not run, only$running" ;; esac
done
# A daemon runs before it has read its configuration.
tries=0
until vtysh -c 'show running-config' | grep -q 'ip prefix-list NO-DEFAULT seq 5 deny 0.0.0.0/0'; do
    [ "$((tries += 1))" -lt 60 ] || fail "the configuration that NAPALM committed is gone"
    sleep 1
done
sudo grep -q 'NO-DEFAULT' /etc/frr/frr.conf || fail "it was not saved"
case $(sudo passwd --status admin) in "admin L "*) ;; *) fail "the vendor's login is open" ;; esac
! sudo grep -rq antidotepassword /etc /var/log 2> /dev/null || fail "the password is in a file"
