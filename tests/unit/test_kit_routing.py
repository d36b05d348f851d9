"""A FRR configuration as sections: what the model asks for is looked for in what FRR says it runs with."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labwright.kit.routing import sections

# As FRR 8.4 prints it.
RUNNING = """\
Building configuration...

Current configuration:
!
frr version 8.4.4
frr defaults traditional
hostname r2
service integrated-vtysh-config
!
interface eth1
 ip ospf area 0.0.0.0
exit
!
router bgp 65002
 bgp router-id 203.0.113.1
 no bgp ebgp-requires-policy
 neighbor 198.51.100.1 remote-as 65001
 !
 address-family ipv4 unicast
  network 203.0.113.1/32
 exit-address-family
 !
 address-family ipv6 unicast
  neighbor 2001:db8::2 activate
 exit-address-family
exit
!
end
"""


def test_a_line_is_known_by_what_it_stands_under():
    found = sections(RUNNING)
    bgp = "router bgp 65002"
    assert (bgp, "neighbor 198.51.100.1 remote-as 65001") in found
    assert (bgp, "address-family ipv4 unicast", "network 203.0.113.1/32") in found
    assert (bgp, "address-family ipv6 unicast", "neighbor 2001:db8::2 activate") in found
    assert ("interface eth1", "ip ospf area 0.0.0.0") in found
    assert (bgp, "network 203.0.113.1/32") not in found


def test_what_ends_a_section_and_what_is_off_are_not_asked_for():
    flat = [line for path in sections(RUNNING) for line in path]
    assert not {"!", "exit", "exit-address-family", "end", "no bgp ebgp-requires-policy"} & set(flat)


@given(st.text(alphabet=" !\nabenoxit-", max_size=200))
def test_any_text_has_sections_whose_lines_are_its_own(text):
    lines = {line.strip() for line in text.splitlines()}
    assert all(path and set(path) <= lines for path in sections(text))
