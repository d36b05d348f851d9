"""host.apply() on machines with each of the three managers of interfaces, and with FRR."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator

import pytest
from support.frr.routers import call, router, wait_for
from support.kit import fixtures
from support.kit.machine import KEPT, Machine, machine

from labwright.kit import KitError, node
from labwright.kit.model import Node

pytestmark = fixtures.needs_machine
MANAGERS = ("ifupdown", "networkd", "networkmanager")
FIRST = node({
    "hostname": "hub",
    "interfaces": [
        {"loopback": 0, "ipv4": ["10.1.1.1/32"], "ipv6": ["2001:db8:1::1/128"]},
        {"index": 1, "ipv4": ["10.10.10.1/30"], "ipv6": ["2001:db8:10::1/64"], "mtu": 1400, "description": "<b> & c"},
        {"index": 2, "ipv4": ["10.10.20.1/30", "10.10.21.1/24"]},
    ],
})  # fmt: skip
SECOND = node({"interfaces": [{"index": 1, "ipv4": ["10.10.99.1/24"]}]})
OFF = node({"interfaces": [{"index": 1, "enabled": False, "ipv4": ["10.10.99.1/24"]}]})
LAST = node({"interfaces": [{"index": 2, "ipv4": ["10.10.20.1/30", "10.10.21.1/24"]}]})
NM_TEXT = "[connection]\nid=raw\ntype=ethernet\ninterface-name=eth2\nautoconnect=false\n"


@contextlib.contextmanager
def managed(manager: str) -> Iterator[Machine]:
    """A machine with one of them alone."""
    keep = tuple(unit for unit in KEPT if unit != "networking.service" or manager == "ifupdown")
    with machine((*keep, "NetworkManager.service") if manager == "networkmanager" else keep) as one:
        if manager == "networkd":
            one.execute("systemctl", "start", "systemd-networkd")
        if manager == "networkmanager":
            wait_for(lambda: "conn" in one.execute("nmcli", "-t", "-f", "STATE", "general", check=False))
        yield one


@pytest.fixture(scope="module", params=MANAGERS)
def one(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with managed(request.param) as made:
        yield made


def addresses(one: Machine, name: str) -> set[str]:
    """Without link-local ones."""
    words = one.execute("ip", "-br", "address", "show", "dev", name).split()[2:]
    return {word for word in words if "/" in word and not word.startswith("fe80")}


def link(one: Machine, name: str) -> str:
    return one.execute("ip", "link", "show", "dev", name)


def management(one: Machine) -> str:
    return one.execute("ip", "address", "show", "dev", "eth0") + one.execute("ip", "-s", "link", "show", "dev", "eth0")


def apply(one: Machine, what: Node) -> tuple[str, ...]:
    with one.host() as host:
        return host.apply(what)


def test_the_model_comes_true_stays_so_and_what_is_no_longer_in_it_goes(one: Machine) -> None:
    eth0 = addresses(one, "eth0")
    assert "hostname" in apply(one, FIRST)
    assert addresses(one, "eth1") == {"10.10.10.1/30", "2001:db8:10::1/64"}
    assert addresses(one, "eth2") == {"10.10.20.1/30", "10.10.21.1/24"}
    assert {"127.0.0.1/8", "10.1.1.1/32", "2001:db8:1::1/128"} <= addresses(one, "lo")
    assert "mtu 1400" in link(one, "eth1")
    assert apply(one, FIRST) == (), "the second time nothing is left to do"
    one.execute("ip", "address", "flush", "dev", "eth2")
    assert apply(one, FIRST) == ("eth2",), "what somebody broke by hand is mended"
    assert addresses(one, "eth2") == {"10.10.20.1/30", "10.10.21.1/24"}
    apply(one, SECOND)
    assert addresses(one, "eth1") == {"10.10.99.1/24"}
    assert addresses(one, "eth2") == set(), "an interface of an earlier stage keeps nothing"
    apply(one, OFF)
    assert "UP" not in re.findall(r"<(.*?)>", link(one, "eth1"))[0].split(",")
    assert apply(one, OFF) == ()
    assert addresses(one, "eth0") == eth0


def mtu(one: Machine, name: str) -> int:
    return int(re.findall(r" mtu (\d+) ", link(one, name))[0])


def test_loopback_addresses_and_an_mtu_of_an_earlier_model_go(one: Machine) -> None:
    """They stayed: lo may have addresses that are not the model's, and a model without an MTU asks for none."""
    apply(one, FIRST)
    assert mtu(one, "eth1") == 1400
    changed = node({"interfaces": [
        {"loopback": 0, "ipv4": ["10.1.1.2/32"]}, *FIRST.model_dump(include={"interfaces": {2}})["interfaces"],
        {"index": 1, "ipv4": ["10.10.10.1/30"], "ipv6": ["2001:db8:10::1/64"]},
    ]})  # fmt: skip
    assert {"lo", "eth1"} <= set(apply(one, changed))
    assert addresses(one, "lo") == {"127.0.0.1/8", "::1/128", "10.1.1.2/32"}
    assert mtu(one, "eth1") == 1500
    assert apply(one, changed) == ()
    apply(one, FIRST)
    assert {"lo", "eth1"} <= set(apply(one, LAST))
    time.sleep(1)  # No manager puts back what it once knew.
    assert addresses(one, "lo") == {"127.0.0.1/8", "::1/128"}
    assert (addresses(one, "eth1"), mtu(one, "eth1")) == (set(), 1500)
    assert apply(one, LAST) == ()


def test_what_is_of_the_machine_itself_stays_on_lo(one: Machine) -> None:
    if one.execute("systemctl", "is-active", "NetworkManager", check=False).strip() == "active":
        pytest.skip("NetworkManager flushes an interface whose profile goes")
    one.execute("ip", "address", "add", "10.7.7.7/32", "dev", "lo")
    apply(one, FIRST)
    apply(one, LAST)
    assert addresses(one, "lo") == {"127.0.0.1/8", "::1/128", "10.7.7.7/32"}
    one.execute("ip", "address", "del", "10.7.7.7/32", "dev", "lo")


def test_a_run_that_was_cut_short_is_made_good_by_the_next(one: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old files that were replaced first would know nothing more of what is to go."""
    apply(one, FIRST)
    with one.host() as host, monkeypatch.context() as cut:
        cut.setattr(type(host), "put", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            host.apply(LAST)
    apply(one, LAST)
    assert addresses(one, "lo") == {"127.0.0.1/8", "::1/128"}
    assert (addresses(one, "eth1"), mtu(one, "eth1")) == (set(), 1500)


def test_an_author_s_own_text_of_an_earlier_model_goes_with_it() -> None:
    for manager, text in (("networkd", "[Match]\nName=eth2\n[Network]\nAddress=10.3.3.3/24\n"),
                          ("networkmanager", NM_TEXT)):  # fmt: skip
        with managed(manager) as one:
            interfaces = [{"index": 1, "ipv4": ["10.10.99.1/24"]}]
            apply(one, node({"interfaces": interfaces, "raw": {manager: text}}))
            apply(one, node({"interfaces": interfaces}))
            folder = {"networkd": "/etc/systemd/network", "networkmanager": "/etc/NetworkManager/system-connections"}
            assert "raw" not in one.execute("ls", folder[manager])


def test_addresses_are_there_again_after_the_manager_has_started_anew(one: Machine) -> None:
    apply(one, FIRST)
    one.execute("ip", "address", "flush", "dev", "eth2")
    one.execute("sh", "-c", "for unit in NetworkManager systemd-networkd networking; do"
                " ! systemctl -q is-active $unit || systemctl restart $unit; done")  # fmt: skip
    wait_for(lambda: addresses(one, "eth2") == {"10.10.20.1/30", "10.10.21.1/24"})
    wait_for(lambda: {"10.1.1.1/32", "2001:db8:1::1/128"} <= addresses(one, "lo"))


def test_the_management_interface_is_refused_under_each_of_its_names(one: Machine) -> None:
    before = addresses(one, "eth0")
    for name in ("eth0", "enp0s3f0"):
        with one.host() as host, pytest.raises(KitError, match="management interface"):
            host.apply(SECOND, [name])
    assert addresses(one, "eth0") == before


def test_an_interface_that_is_not_there_is_named_beside_those_that_are(one: Machine) -> None:
    with one.host() as host, pytest.raises(KitError, match=r"(?s)no interface eth7.*eth1, eth2"):
        host.apply(SECOND, ["eth7"])


def test_a_machine_that_nothing_we_know_manages_says_what_was_looked_for() -> None:
    with (
        managed("none") as one,
        one.host() as host,
        pytest.raises(KitError, match=r"(?s)looked for ifupdown.*networkd"),
    ):
        host.apply(SECOND)


def test_routers_that_were_made_from_models_speak_bgp_and_ospf() -> None:
    """FRR on the machine from a model, its neighbour from the model's rendering for FRR."""
    hub = node({
        "interfaces": [
            {"loopback": 0, "ipv4": ["10.0.0.1/32"]},
            {"index": 3, "ipv4": ["192.0.2.1/30"], "ipv6": ["2001:db8::1/64"]},
        ],
        "bgp": {"as": 65001, "networks": ["10.0.0.1/32"], "neighbors": [
            {"peer": "192.0.2.2", "remote_as": 65002, "description": "the other (eth1) #2"},
            {"peer": "2001:db8::2", "remote_as": 65002}]},
        "ospf": {"areas": {"0": {"interfaces": [3], "loopbacks": [0]}}},
        "raw": {"frr": "ip prefix-list LAB seq 5 permit any"},
    })  # fmt: skip
    spoke = node({
        "interfaces": [
            {"loopback": 0, "ipv4": ["10.0.0.2/32"]},
            {"index": 1, "ipv4": ["192.0.2.2/30"], "ipv6": ["2001:db8::2/64"]},
        ],
        "bgp": {"as": 65002, "networks": ["10.0.0.2/32"], "neighbors": [
            {"peer": "192.0.2.1", "remote_as": 65001}, {"peer": "2001:db8::1", "remote_as": 65001}]},
        "ospf": {"areas": {"0.0.0.0": {"interfaces": [1], "loopbacks": [0]}}},
    })  # fmt: skip
    from labwright.kit import expect, render

    with managed("ifupdown") as one, router(configuration="") as other:
        call("ip", "link", "add", "eth1", "netns", other.namespace, "type", "veth", "peer", "name", "eth3",
             "netns", str(one.pid))  # fmt: skip
        other.execute("ip", "link", "set", "eth1", "up")
        other.start("ospfd")
        file = other.folder / "given"
        file.write_text(str(render(spoke, "frr")))
        other.execute("vtysh", "--vty_socket", other.sockets, "--config_dir", other.config, "-f", file)
        lines: list[str] = []
        with one.host() as host, expect.gathered(lines) as found:
            assert "/etc/frr/frr.conf" in host.apply(hub)
            assert host.apply(hub) == ()
            # FRR tries again two minutes after a first connection that failed.
            expect.bgp_established(host, "192.0.2.2", timeout=300)
            expect.bgp_established(host, "2001:db8::2", timeout=300)
            # FRR calls it by its short name, however the script writes it.
            expect.bgp_established(host, "2001:DB8:0::2", timeout=60)
            expect.route(host, "10.0.0.2/32", via="192.0.2.2", timeout=180)
            expect.reaches(host, "10.0.0.2", timeout=60)
            expect.eventually(
                lambda: host.frr("show ip ospf neighbor")["neighbors"], "an OSPF neighbour is there", timeout=180
            )
            assert found.failures == [], lines
            broken = hub.model_copy(update={"raw": {"frr": "no such line of frr"}})
            with pytest.raises(KitError, match="no such line of frr"):
                host.apply(broken)
            assert host.apply(hub) == (), "what FRR does not understand is put nowhere"


def test_what_frr_s_own_start_left_out_is_read_again() -> None:
    """watchfrr ends its script, with the vtysh that reads the file, wherever that is; as it does on a slow machine."""
    lines = [f"ip prefix-list LAB seq {number} permit 10.{number >> 8}.{number & 255}.0/24" for number in range(1, 501)]
    what = node({
        "interfaces": [{"loopback": 0, "ipv4": ["10.0.0.1/32"]}],
        "bgp": {"as": 65001, "networks": ["10.0.0.1/32"], "neighbors": [{"peer": "192.0.2.2", "remote_as": 65002}]},
        "raw": {"frr": "\n".join(lines)},
    })  # fmt: skip
    with managed("ifupdown") as one, one.host() as host:
        one.execute("sh", "-c", "printf 'watchfrr_options=\"--restart-timeout 1\"\\n' >>/etc/frr/daemons")
        assert "/etc/frr/frr.conf" in host.apply(what)
        one.execute("journalctl", "--sync")
        journal = one.execute("journalctl", "-t", "watchfrr", "--no-pager")
        assert "restart all process" in journal and "terminated due to signal 15" in journal, journal
        assert one.execute("vtysh", "-c", "show running-config").count("ip prefix-list LAB ") == len(lines)


def test_what_is_no_longer_in_frr_is_read_again() -> None:
    """The file is as it should be, and the daemon has lost a part of it."""
    what = node({
        "bgp": {"as": 65001, "router_id": "10.0.0.1", "neighbors": [{"peer": "192.0.2.2", "remote_as": 65002}]},
    })  # fmt: skip
    with managed("ifupdown") as one, one.host() as host:
        host.apply(what)
        one.execute("vtysh", "-c", "configure", "-c", "router bgp 65001", "-c", "no neighbor 192.0.2.2")
        assert host.apply(what) == ()
        assert "192.0.2.2" in host.frr("show bgp neighbors")
