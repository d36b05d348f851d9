"""One router, and what every system is told about it: reviewed by eye."""

from __future__ import annotations

from labwright.kit import node

ROUTER = node({
    "hostname": "r1",
    "interfaces": [
        {"index": 1, "description": "to r2", "ipv4": ["10.0.0.1/30", "10.0.9.1/24"], "ipv6": ["2001:db8::1/64"],
         "mtu": 1400},
        {"index": 2, "enabled": False, "ipv4": ["10.0.0.5/30"]},
        {"loopback": 0, "description": "id", "ipv4": ["10.1.1.1/32"], "ipv6": ["2001:db8:1::1/128"]},
    ],
    "bgp": {"as": 65000, "networks": ["10.1.1.1/32", "2001:db8:1::/64"], "neighbors": [
        {"peer": "10.0.0.2", "remote_as": 65001, "description": "r2"}, {"peer": "2001:db8::2", "remote_as": 65000}]},
    "ospf": {"areas": {"0": {"interfaces": [1], "loopbacks": [0]}}},
    "raw": {"ifupdown": "# raw", "networkd": "[Match]", "networkmanager": "[connection]",
            "frr": "ip prefix-list a seq 5 permit any", "junos": "<snmp/>", "eos": "ntp server 192.0.2.1",
            "ios": "ntp server 192.0.2.1", "nxos": "ntp server 192.0.2.1", "nxos-json": "ntp server 192.0.2.1"},
})  # fmt: skip

IFUPDOWN = """\
auto lo
iface lo inet loopback
    up ip address replace 10.1.1.1/32 dev lo
    up ip address replace 2001:db8:1::1/128 dev lo

# to r2
auto eth1
iface eth1 inet static
    address 10.0.0.1/30
    pre-up ip link set dev eth1 mtu 1400
iface eth1 inet static
    address 10.0.9.1/24
iface eth1 inet6 static
    address 2001:db8::1/64
    dad-attempts 0

iface eth2 inet static
    address 10.0.0.5/30

# raw
"""

NETWORKD = {
    "/etc/systemd/network/05-labwright-eth1.network": """\
[Match]
Name=eth1

[Link]
MTUBytes=1400
RequiredForOnline=no
ActivationPolicy=up

[Network]
Description=to r2
IPv6AcceptRA=no
ConfigureWithoutCarrier=yes
Address=10.0.0.1/30
Address=10.0.9.1/24
Address=2001:db8::1/64
""",
    "/etc/systemd/network/05-labwright-eth2.network": """\
[Match]
Name=eth2

[Link]
RequiredForOnline=no
ActivationPolicy=always-down

[Network]
IPv6AcceptRA=no
ConfigureWithoutCarrier=yes
Address=10.0.0.5/30
""",
    "/etc/systemd/network/05-labwright-lo.network": """\
[Match]
Name=lo

[Network]
Address=10.1.1.1/32
Address=2001:db8:1::1/128
""",
    "/etc/systemd/network/06-labwright-raw.network": "[Match]\n",
}

NETWORKMANAGER = {
    "/etc/NetworkManager/system-connections/labwright-eth1.nmconnection": """\
# to r2
[connection]
id=labwright-eth1
uuid=f9e266c0-f958-5298-ab3c-4b519780b93d
type=ethernet
interface-name=eth1
autoconnect=true
autoconnect-priority=100

[ethernet]
mtu=1400

[ipv4]
method=manual
address1=10.0.0.1/30
address2=10.0.9.1/24
never-default=true

[ipv6]
method=manual
address1=2001:db8::1/64
never-default=true

""",
    "/etc/NetworkManager/system-connections/labwright-eth2.nmconnection": """\
[connection]
id=labwright-eth2
uuid=ece49fa5-aecd-5a6a-a90f-ef453736b442
type=ethernet
interface-name=eth2
autoconnect=false
autoconnect-priority=100

[ipv4]
method=manual
address1=10.0.0.5/30
never-default=true

[ipv6]
method=link-local
never-default=true

""",
    "/etc/NetworkManager/system-connections/labwright-lo.nmconnection": """\
[connection]
id=labwright-lo
uuid=6f21e130-9af0-5a6e-94b2-682938c4837f
type=loopback
interface-name=lo
autoconnect=true
autoconnect-priority=100

[ipv4]
method=manual
address1=127.0.0.1/8
address2=10.1.1.1/32
never-default=true

[ipv6]
method=manual
address1=::1/128
address2=2001:db8:1::1/128
never-default=true

""",
    "/etc/NetworkManager/system-connections/labwright-raw.nmconnection": "[connection]\n",
}

FRR = """\
hostname r1
!
interface lo
 description id
 ip address 10.1.1.1/32
 ipv6 address 2001:db8:1::1/128
 ip ospf area 0.0.0.0
exit
!
interface eth1
 description to r2
 ip address 10.0.0.1/30
 ip address 10.0.9.1/24
 ipv6 address 2001:db8::1/64
 ip ospf area 0.0.0.0
exit
!
interface eth2
 ip address 10.0.0.5/30
 shutdown
exit
!
router bgp 65000
 bgp router-id 10.1.1.1
 no bgp ebgp-requires-policy
 neighbor 10.0.0.2 remote-as 65001
 neighbor 10.0.0.2 description r2
 neighbor 2001:db8::2 remote-as 65000
 !
 address-family ipv4 unicast
  network 10.1.1.1/32
  no neighbor 2001:db8::2 activate
 exit-address-family
 !
 address-family ipv6 unicast
  network 2001:db8:1::/64
  neighbor 2001:db8::2 activate
 exit-address-family
exit
!
router ospf
 ospf router-id 10.1.1.1
exit
!
ip prefix-list a seq 5 permit any
"""

JUNOS = """\
<configuration>
  <system><host-name>r1</host-name></system>
  <interfaces>
    <interface>
      <name>ge-0/0/0</name><description>to r2</description><mtu>1414</mtu>
      <unit><name>0</name><family>
        <inet><address><name>10.0.0.1/30</name></address><address><name>10.0.9.1/24</name></address></inet>
        <inet6><address><name>2001:db8::1/64</name></address></inet6>
      </family></unit>
    </interface>
    <interface>
      <name>ge-0/0/1</name><disable/>
      <unit><name>0</name><family><inet><address><name>10.0.0.5/30</name></address></inet></family></unit>
    </interface>
    <interface>
      <name>lo0</name>
      <unit><name>0</name><description>id</description><family>
        <inet><address><name>10.1.1.1/32</name></address></inet>
        <inet6><address><name>2001:db8:1::1/128</name></address></inet6>
      </family></unit>
    </interface>
  </interfaces>
  <routing-options>
    <router-id>10.1.1.1</router-id><autonomous-system><as-number>65000</as-number></autonomous-system>
  </routing-options>
  <policy-options><policy-statement>
    <name>labwright-networks</name>
    <term><name>inet4</name>
      <from><family>inet</family><route-filter><address>10.1.1.1/32</address><exact/></route-filter></from>
      <then><accept/></then>
    </term>
    <term><name>inet6</name>
      <from><family>inet6</family><route-filter><address>2001:db8:1::/64</address><exact/></route-filter></from>
      <then><accept/></then>
    </term>
  </policy-statement></policy-options>
  <protocols>
    <bgp>
      <group>
        <name>labwright-external-4</name><type>external</type><family><inet><unicast/></inet></family>
        <export>labwright-networks</export>
        <neighbor><name>10.0.0.2</name><description>r2</description><peer-as>65001</peer-as></neighbor>
      </group>
      <group>
        <name>labwright-internal-6</name><type>internal</type><family><inet6><unicast/></inet6></family>
        <export>labwright-networks</export>
        <neighbor><name>2001:db8::2</name></neighbor>
      </group>
    </bgp>
    <ospf><area>
      <name>0.0.0.0</name>
      <interface><name>lo0.0</name><passive/></interface><interface><name>ge-0/0/0.0</name></interface>
    </area></ospf>
  </protocols>
  <snmp/>
</configuration>
"""

EOS = """\
hostname r1
!
ip routing
ipv6 unicast-routing
!
router ospf 1
 router-id 10.1.1.1
!
interface Loopback0
 description id
 ip address 10.1.1.1/32
 ipv6 address 2001:db8:1::1/128
 ip ospf area 0.0.0.0
 no shutdown
!
interface Ethernet1
 description to r2
 no switchport
 mtu 1400
 ip address 10.0.0.1/30
 ip address 10.0.9.1/24 secondary
 ipv6 address 2001:db8::1/64
 ip ospf area 0.0.0.0
 no shutdown
!
interface Ethernet2
 no switchport
 ip address 10.0.0.5/30
 shutdown
!
router bgp 65000
 router-id 10.1.1.1
 no bgp default ipv4-unicast
 neighbor 10.0.0.2 remote-as 65001
 neighbor 10.0.0.2 description r2
 neighbor 2001:db8::2 remote-as 65000
 !
 address-family ipv4
  network 10.1.1.1/32
  neighbor 10.0.0.2 activate
 !
 address-family ipv6
  network 2001:db8:1::/64
  neighbor 2001:db8::2 activate
!
ntp server 192.0.2.1
"""

IOS = """\
hostname r1
!
ipv6 unicast-routing
!
router ospf 1
 router-id 10.1.1.1
!
interface Loopback0
 description id
 ip address 10.1.1.1 255.255.255.255
 ipv6 address 2001:db8:1::1/128
 ip ospf 1 area 0.0.0.0
 no shutdown
!
interface GigabitEthernet0/1
 description to r2
 mtu 1400
 ip address 10.0.0.1 255.255.255.252
 ip address 10.0.9.1 255.255.255.0 secondary
 ipv6 address 2001:db8::1/64
 ip ospf 1 area 0.0.0.0
 no shutdown
!
interface GigabitEthernet0/2
 ip address 10.0.0.5 255.255.255.252
 shutdown
!
router bgp 65000
 bgp router-id 10.1.1.1
 no bgp default ipv4-unicast
 neighbor 10.0.0.2 remote-as 65001
 neighbor 10.0.0.2 description r2
 neighbor 2001:db8::2 remote-as 65000
 !
 address-family ipv4 unicast
  network 10.1.1.1 mask 255.255.255.255
  neighbor 10.0.0.2 activate
 exit-address-family
 !
 address-family ipv6 unicast
  network 2001:db8:1::/64
  neighbor 2001:db8::2 activate
 exit-address-family
!
ntp server 192.0.2.1
"""

NXOS = """\
hostname r1
!
feature bgp
feature ospf
!
router ospf 1
 router-id 10.1.1.1
!
interface loopback0
 description id
 ip address 10.1.1.1/32
 ipv6 address 2001:db8:1::1/128
 ip router ospf 1 area 0.0.0.0
 no shutdown
!
interface Ethernet1/1
 description to r2
 no switchport
 mtu 1400
 ip address 10.0.0.1/30
 ip address 10.0.9.1/24 secondary
 ipv6 address 2001:db8::1/64
 ip router ospf 1 area 0.0.0.0
 no shutdown
!
interface Ethernet1/2
 no switchport
 ip address 10.0.0.5/30
 shutdown
!
router bgp 65000
  router-id 10.1.1.1
  address-family ipv4 unicast
    network 10.1.1.1/32
  address-family ipv6 unicast
    network 2001:db8:1::/64
  neighbor 10.0.0.2
    remote-as 65001
    description r2
    address-family ipv4 unicast
  neighbor 2001:db8::2
    remote-as 65000
    address-family ipv6 unicast
!
ntp server 192.0.2.1
"""
