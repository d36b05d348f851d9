#!/bin/sh
# Runs in the booted image as its user: FRR runs, takes configurations, and everything is named as lessons expect.
set -eu

fail() {
    echo "FAIL: $*" >&2
    exit 1
}
# until_shows PATTERN COMMAND...: waits for at most a minute until the command's output has a line like that.
until_shows() {
    pattern=$1
    shift
    for _ in $(seq 30); do
        "$@" 2>&1 | grep -Eq "$pattern" && return
        sleep 2
    done
    fail "no line like '$pattern' in: $* => $("$@" 2>&1)"
}
has_daemons() {
    for daemon in "$@"; do
        # frr.service counts as started before the last of them answers, where the machine is slow.
        until_shows "(^| )$daemon( |\$)" vtysh -c 'show daemons'
    done
}

[ "$(id -un)" = antidote ] || fail "the user is $(id -un), not antidote"
[ "$(sudo -n id -u)" = 0 ] || fail "sudo asks for a password"
[ -d /antidote ] || fail "there is no /antidote"
failed=$(systemctl --failed --no-legend --plain)
[ -z "$failed" ] || fail "units failed: $failed"
for tool in curl ifup iperf3 jq less mtr nano nc nft ping ps python3 scp sftp tcpdump traceroute vi vtysh; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$tool" > /dev/null || fail "$tool is not there"
done

# Interfaces: the management one has both names.
for name in eth0 enp0s3f1 enp0s3f2; do
    [ -e "/sys/class/net/$name" ] || fail "there is no interface $name"
done
ip -brief link show dev enp0s3f0 | grep -q '^eth0' || fail "enp0s3f0 is not another name of eth0"
systemctl --quiet is-enabled networking || fail "networking is not enabled"
for setting in net.ipv4.ip_forward net.ipv6.conf.all.forwarding; do
    [ "$(/sbin/sysctl -n "$setting")" = 1 ] || fail "$setting is off"
done
[ "$(/sbin/sysctl -n net.mpls.platform_labels)" -gt 0 ] || fail "no MPLS labels are accepted"

# Users and files.
case " $(id -Gn) " in *" frrvty "*) ;; *) fail "the user is not in the group frrvty" ;; esac
[ "$(sudo stat --format %U:%G /etc/frr)" = frr:frr ] || fail "/etc/frr does not belong to frr"

# The daemons, and a configuration of each kind, saved and taken back.
systemctl --quiet is-active frr.service || fail "frr.service does not run"
has_daemons zebra staticd watchfrr bgpd ospfd ospf6d isisd ldpd bfdd
# On a slow machine it would end the start of the daemons before they have read their configuration.
sudo cat "/proc/$(sudo cat /run/frr/watchfrr.pid)/cmdline" | tr '\0' ' ' | grep -q -e '--restart-timeout 120' ||
    fail "watchfrr runs without the options for slow machines"
keep=$(sudo mktemp -d)
sudo cp -a /etc/frr "$keep/frr"
sudo cp -a /etc/network/interfaces "$keep/interfaces"
restore() {
    sudo rm -rf /etc/frr
    sudo mv "$keep/frr" /etc/frr
    sudo cp -a "$keep/interfaces" /etc/network/interfaces
    sudo rm -rf "$keep"
    sudo systemctl reset-failed frr.service 2> /dev/null || :
    sudo systemctl restart frr.service
}
trap restore EXIT
sudo ip link set enp0s3f1 up
vtysh > /dev/null << 'END' || fail "vtysh"
configure terminal
interface enp0s3f1
 ip address 192.0.2.1/30
 ipv6 address 2001:db8::1/64
 ipv6 ospf6 area 0
 ip router isis test
router ospf
 ospf router-id 192.0.2.1
 network 192.0.2.0/30 area 0
router ospf6
 ospf6 router-id 192.0.2.1
router isis test
 net 49.0001.1920.0000.2001.00
router bgp 65001
 neighbor 192.0.2.2 remote-as 65002
mpls ldp
 router-id 192.0.2.1
end
write
END
until_shows '^enp0s3f1 is up' vtysh -c 'show ip ospf interface enp0s3f1'
until_shows '192\.0\.2\.2 +4 +65002' vtysh -c 'show bgp summary'
until_shows 'enp0s3f1' vtysh -c 'show ipv6 ospf6 interface enp0s3f1'
until_shows 'enp0s3f1' vtysh -c 'show isis interface'
vtysh -c 'show ip route json' | jq --exit-status '."192.0.2.0/30"' > /dev/null || fail "zebra has no connected route"
sudo grep -q 'neighbor 192.0.2.2 remote-as 65002' /etc/frr/frr.conf || fail "write did not write frr.conf"

# The way of the public FRR lesson: one file a daemon, no frr.conf, a module that Debian's zebra lacks, ifupdown.
sudo rm /etc/frr/frr.conf
printf 'bgpd=yes\nvtysh_enable=yes\nzebra_options="  -M sysrepo -A 127.0.0.1 -s 90000000"\nbgpd_options="-A 127.0.0.1"\n' |
    sudo tee /etc/frr/daemons > /dev/null
echo 'no service integrated-vtysh-config' | sudo tee /etc/frr/vtysh.conf > /dev/null
printf 'hostname hub\nlog file /var/log/frr/frr.log\n' | sudo tee /etc/frr/zebra.conf > /dev/null
printf 'hostname hub\nrouter bgp 65000\n neighbor 198.51.100.2 remote-as 65001\n' |
    sudo tee /etc/frr/bgpd.conf > /dev/null
sudo chown frr:frr /etc/frr/zebra.conf /etc/frr/bgpd.conf
sudo chown frr:frrvty /etc/frr/vtysh.conf
cat << 'END' | sudo tee /etc/network/interfaces > /dev/null
auto lo
iface lo inet loopback

auto lo:0
iface lo:0 inet static
    address 198.51.100.9/32

auto enp0s3f0
iface enp0s3f0 inet dhcp

auto enp0s3f2
iface enp0s3f2 inet static
    address 198.51.100.1/30
END
sudo systemctl restart frr.service || fail "FRR does not start the way the public lesson wants it"
has_daemons zebra bgpd watchfrr
sudo systemctl restart networking.service || fail "networking does not start the way the public lesson wants it"
ip -brief address show dev enp0s3f2 | grep -q '198\.51\.100\.1/30' || fail "ifupdown did not configure enp0s3f2"
until_shows '198\.51\.100\.2 +4 +65001' vtysh -c 'show bgp summary'
until_shows '198\.51\.100\.0/30.*connected, enp0s3f2' vtysh -c 'show ip route'
until_shows 'inet ' ip -4 address show dev enp0s3f0
# Once more: this time ifupdown takes the management interface down, and it has to come back.
sudo systemctl restart networking.service || fail "networking does not start a second time"
until_shows 'inet ' ip -4 address show dev eth0
failed=$(systemctl --failed --no-legend --plain)
[ -z "$failed" ] || fail "units failed: $failed"
