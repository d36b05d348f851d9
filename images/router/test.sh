#!/bin/sh
# Runs in the booted image as its user: FRR runs, and nothing is configured.
set -eu

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

[ "$(id -un)" = admin ] || fail "the user is $(id -un), not admin"
systemctl --quiet is-active frr.service || fail "frr.service does not run"
running=" $(sudo vtysh -c 'show daemons') "
for daemon in zebra staticd watchfrr bgpd ospfd; do
    case $running in *" $daemon "*) ;; *) fail "$daemon does not run, only$running" ;; esac
done
# On a slow machine it would end the start of the daemons before they have read their configuration.
sudo cat "/proc/$(sudo cat /run/frr/watchfrr.pid)/cmdline" | tr '\0' ' ' | grep -q -e '--restart-timeout 120' ||
    fail "watchfrr runs without the options for slow machines"
[ -x /usr/lib/frr/frr-reload.py ] || fail "there is no frr-reload.py"
for tool in ping sysctl traceroute; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$tool" > /dev/null || fail "$tool is not there"
done
! id antidote > /dev/null 2>&1 || fail "there is a user antidote: a vendor's disk has none"
