"""What the driver makes of configurations: lines and their blocks, daemons, host names, differences."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napalm_frr import configuration

RUNNING = """\
frr version 8.4.4
frr defaults traditional
hostname vm
no ipv6 forwarding
service integrated-vtysh-config
!
interface eth1
 description to-r2
 ip address 192.0.2.1/30
exit
!
router bgp 65001
 neighbor 192.0.2.2 remote-as 65002
 !
 address-family ipv4 unicast
  network 10.0.0.1/32
 exit-address-family
exit
!
end
"""


def test_a_line_is_known_with_what_it_stands_below() -> None:
    assert list(configuration.lines_of(RUNNING)) == [
        ("frr defaults traditional",),
        ("no ipv6 forwarding",),
        ("interface eth1",),
        ("interface eth1", "description to-r2"),
        ("interface eth1", "ip address 192.0.2.1/30"),
        ("router bgp 65001",),
        ("router bgp 65001", "neighbor 192.0.2.2 remote-as 65002"),
        ("router bgp 65001", "address-family ipv4 unicast"),
        ("router bgp 65001", "address-family ipv4 unicast", "network 10.0.0.1/32"),
        ("hostname vm",),
    ]


def test_a_description_cannot_pass_for_other_lines() -> None:
    text = RUNNING.replace("to-r2", "to-r2\u2028hostname evil\x0bno router bgp 65001")
    assert configuration.hostname_of(text) == "vm"
    assert len(configuration.lines_of(text)) == len(configuration.lines_of(RUNNING))


def test_the_same_line_in_another_block_is_another_line() -> None:
    left, right = "vrf a\n ip route 10.0.0.0/8 Null0\nexit-vrf\n", "vrf b\n ip route 10.0.0.0/8 Null0\nexit-vrf\n"
    assert configuration.missing(left, right, merge=False)
    assert configuration.missing(left, right, merge=True)


@pytest.mark.parametrize(
    ("candidate", "left"),
    [
        ("interface eth1\n description to-r2\n", []),
        ("interface eth1\n description to-r3\n", [("interface eth1", "description to-r3")]),
        ("interface eth9\n", [("interface eth9",)]),
        ("router bgp 65001\n no neighbor 192.0.2.9\n", []),
        ("router bgp 65001\n no neighbor 192.0.2.2\n", [("router bgp 65001", "no neighbor 192.0.2.2")]),
        ("no router bgp 65001\n", [("no router bgp 65001",)]),
        ("no router bgp 6500\n", []),
        ("hostname vm\n", []),
        ("hostname other\n", [("hostname other",)]),
        ("ip forwarding\n", []),
    ],
)
def test_what_is_left_of_a_merge_is_known(candidate: str, left: list[tuple[str, ...]]) -> None:
    assert configuration.missing(candidate, RUNNING, merge=True) == left


def test_a_replacement_that_lacks_a_line_differs_and_one_that_lacks_the_host_name_does_not() -> None:
    assert configuration.missing(RUNNING.replace("hostname vm\n", ""), RUNNING, merge=False) == []
    assert configuration.missing(RUNNING.replace(" description to-r2\n", ""), RUNNING, merge=False) == [
        ("interface eth1", "description to-r2")
    ]


@pytest.mark.parametrize(
    ("name", "good"),
    [("r1", True), ("r1.lab.example", True), ("a" * 64, False), ("a" * 63, True), (".".join(["abcd"] * 13), True),
     (".".join(["abcd"] * 14), False), ("-a", False), ("a_b", False), ("a..b", False)],
)  # fmt: skip
def test_a_host_name_is_one_that_linux_takes_whole(name: str, good: bool) -> None:
    assert bool(configuration.HOSTNAME.fullmatch(name)) is good


def test_a_host_name_is_shown_among_what_is_added() -> None:
    assert configuration.with_hostname("", "r1") == "Lines To Add\n============\nhostname r1"
    both = "Lines To Delete\n===============\nx\n\nLines To Add\n============\ny"
    assert configuration.with_hostname(both, "r1") == both.replace("\ny", "\nhostname r1\ny")
    assert configuration.with_hostname(both, "") == both


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1), min_size=1))
def test_a_text_agrees_with_itself_and_keeps_its_line_numbers(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        cleaned = configuration.cleaned(text)
    except ValueError:
        return
    assert configuration.cleaned(cleaned) == cleaned
    for merge in (False, True):
        assert configuration.missing(cleaned, cleaned, merge) in ([], [one for one in configuration.lines_of(cleaned) if
                                                                      one[-1].startswith("no ")])  # fmt: skip
    kept = cleaned.rstrip("\n").split("\n")
    assert all(line in ("!", lines[number].rstrip()) for number, line in enumerate(kept))


@pytest.mark.parametrize(
    ("text", "daemons"),
    [
        ("router ospf vrf red\n", {"ospfd"}), ("router ospf6\n", {"ospf6d"}), ("router isis 1\n", {"isisd"}),
        ("interface eth0\n ip ospf area 0\n", {"ospfd"}), ("interface eth0\n ip address 10.0.0.1/8\n", set()),
        ("vrf red\n ip route 10.0.0.0/8 Null0\n", {"staticd"}), ("bfd\n peer 10.0.0.1\n", {"bfdd"}),
        ("no router ospf\n", set()), ("ip pim rp 10.0.0.1\n", {"pimd"}), ("rpki\n rpki polling_period 9\n", set()),
        ("interface eth0\n ipv6 mld\n", {"pim6d"}), ("interface eth0\n vrrp 5\n", {"vrrpd"}),
        ("segment-routing\n srv6\n", set()), ("route-map A permit 10\n", set()),
        ("segment-routing\n traffic-eng\n", {"pathd"}),
        ("key chain A\n", {"ripd or eigrpd or ospfd or ospf6d or isisd"}),
    ],
)  # fmt: skip
def test_the_daemon_of_a_line_is_known(text: str, daemons: set[str]) -> None:
    assert set(configuration.daemons_not_running(configuration.lines_of(text), {"zebra", "bgpd"})) == daemons


def test_a_block_that_nobody_took_is_noticed_and_an_abbreviation_is_not() -> None:
    lines = configuration.lines_of("rout bg 65001\n neigh 192.0.2.2 desc x\nrouter new 5\n a\nbfd\n")
    assert configuration.blocks_dropped(lines, RUNNING) == [("router new 5",), ("router new 5", "a")]


def test_a_daemon_with_several_instances_runs() -> None:
    assert configuration.daemon_names(" zebra bgpd ospfd-1 ospfd-2 staticd watchfrr\n") >= {"ospfd", "zebra"}


def test_a_change_is_told_without_its_passwords_and_not_endlessly() -> None:
    after = RUNNING.replace(" description to-r2\n", " ip ospf authentication-key hunter2\n")
    shown = configuration.difference(RUNNING, after)
    assert "-interface eth1 / description to-r2" in shown
    assert "hunter2" not in shown
    many = RUNNING + "".join(f"ip route 10.0.0.{n}/32 Null0\n" for n in range(200))
    assert len(configuration.difference(RUNNING, many).splitlines()) == 41
