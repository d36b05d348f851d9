#!/bin/sh
# Runs in the booted image as its user: every tool that README.md promises is there and works. Needs no internet.
set -eu

fail() {
    echo "FAIL: $*" >&2
    exit 1
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

[ "$(id -un)" = antidote ] || fail "the user is $(id -un), not antidote"
[ "$(sudo -n id -u)" = 0 ] || fail "sudo asks for a password"
[ -d /antidote ] || fail "there is no /antidote"
failed=$(systemctl --failed --no-legend --plain)
[ -z "$failed" ] || fail "units failed: $failed"
for name in eth0 eth1 eth2; do
    [ -e "/sys/class/net/$name" ] || fail "there is no interface $name"
done

for tool in bash bat curl dig ethtool file flask git host htop ip iperf3 jq jsnapy less lsof mtr nano napalm nc nft \
    nmap nslookup ping pip pkill ps pygmentize python python3 robot rsync scp sftp snmpget snmpwalk socat ssh \
    ssh-keygen sshpass tar tcpdump telnet tmux traceroute tree unzip vim watch wget whois xmllint yq; do
    # The way to system programs is root's; what only root may use is found there.
    PATH=$PATH:/usr/sbin:/sbin command -v "$tool" > /dev/null || fail "$tool is not there"
done

# What the lessons do with them.
[ "$(echo '{"routers": ["r1", "r2"]}' | jq -r '.routers[1]')" = r2 ] || fail "jq"
[ "$(printf 'routers:\n- r1\n- r2\n' | yq -r '.routers[1]')" = r2 ] || fail "yq"
echo '<a><b>1</b></a>' | xmllint --xpath 'string(//b)' - | grep -qx 1 || fail "xmllint"
echo 'leaf: 1' > leaf.yml
bat --plain leaf.yml | grep -qx 'leaf: 1' || fail "bat"
git init --quiet repository && cd repository
git -c user.name=Test -c user.email=test@example.net commit --quiet --allow-empty --message test || fail "git commit"
cd ..
sudo chown root repository/.git
git -C repository log --oneline | grep -q test || fail "git does not work in a folder of another user"
sudo chown "$(id -un)" repository/.git
ssh-keygen -q -t ed25519 -N '' -f key || fail "ssh-keygen"
sudo timeout 60 tcpdump -i lo -c 1 icmp > dump 2>&1 &
for _ in $(seq 30); do
    ping -c 1 -W 1 127.0.0.1 > /dev/null || fail "ping"
    grep -q '^1 packet captured' dump && break
    sleep 1
done
grep -q '^1 packet captured' dump || fail "tcpdump saw no packet: $(cat dump)"
nmap -n -p 22 127.0.0.1 | grep -q '22/tcp open' || fail "nmap does not find port 22"
nc -z 127.0.0.1 22 || fail "nc does not find port 22"
traceroute -n 127.0.0.1 > /dev/null || fail "traceroute"
iperf3 --server --one-off --port 5999 > /dev/null &
for try in 1 2 3 4 5 6 7 8 9 10; do
    iperf3 --client 127.0.0.1 --port 5999 --time 1 > /dev/null 2>&1 && break
    [ "$try" -lt 10 ] || fail "iperf3"
    sleep 1
done
tmux new-session -d -s test && tmux kill-session -t test || fail "tmux"

# Python: what lessons import, from the prompt and from a script of any first line.
cat > imports.py << 'END'
import flask, grpc, grpc_tools.protoc, jinja2, jnpr.jsnapy, jnpr.junos, lxml.builder, napalm, netmiko
import paho.mqtt.client, paramiko, pygments, requests, robot, scp, yaml

paho.mqtt.client.Client()  # without an argument: version 1
print(jinja2.Template("{{ a }}").render(yaml.load("a: works", Loader=yaml.FullLoader)))
END
[ "$(python imports.py)" = works ] || fail "python"
for line in '#!/usr/bin/env python3' '#!/usr/bin/python'; do
    { echo "$line"; echo 'import yaml; print("works")'; } > script
    chmod +x script
    [ "$(./script)" = works ] || fail "a script that starts with $line"
done
cat > test.robot << 'END'
*** Test Cases ***
It works
    Should Be Equal    1    1
END
robot --output NONE --report NONE --log NONE test.robot > /dev/null || fail "robot"
echo 'syntax = "proto3"; package t; message M { string a = 1; }' > m.proto
python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. m.proto && python -c 'import m_pb2' || fail "protoc"
[ -w ~/jsnapy/snapshots ] || fail "JSNAPy's folder for snapshots is not there"
jsnapy --version > jsnapy.out 2>&1 || fail "jsnapy: $(cat jsnapy.out)"
napalm --help > /dev/null || fail "napalm"
python3 -m venv --without-pip environment && environment/bin/python -c "" || fail "a virtual environment of one's own"
