"""The driver on live FRR: NAPALM finds it by its name, and its getters give right values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import napalm
import pytest
from napalm.base.exceptions import CommandErrorException, ConnectionException
from support.frr import live
from support.frr.live import connect
from support.frr.routers import Router, bgp_pair

from napalm_frr import FRRDriver

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")

own_hostname = live.own_hostname


def test_napalm_finds_the_driver_by_its_name() -> None:
    assert napalm.get_network_driver("frr") is FRRDriver


@pytest.fixture(scope="module")
def pair(own_hostname: None) -> Iterator[tuple[Router, Router]]:
    with bgp_pair() as made:
        yield made


@pytest.fixture(scope="module")
def left(pair: tuple[Router, Router]) -> Iterator[FRRDriver]:
    with connect(pair[0]) as made:
        yield made


def test_facts_are_those_of_the_device(left: FRRDriver) -> None:
    facts = left.get_facts()
    assert facts["hostname"] == facts["fqdn"] == os.uname().nodename
    assert re.fullmatch(r"\d+\.\d+.*", facts["os_version"])
    assert facts["uptime"] > 1
    assert {"eth1", "lo"} <= set(facts["interface_list"])


def test_interfaces_have_their_addresses_and_counters(left: FRRDriver) -> None:
    eth1 = left.get_interfaces()["eth1"]
    assert (eth1["is_up"], eth1["is_enabled"], eth1["mtu"]) == (True, True, 1500)
    assert re.fullmatch(r"([0-9A-F]{2}:){5}[0-9A-F]{2}", eth1["mac_address"])
    addresses = left.get_interfaces_ip()
    assert addresses["eth1"]["ipv4"] == {"192.0.2.1": {"prefix_length": 30}}
    assert addresses["eth1"]["ipv6"]["2001:db8::1"] == {"prefix_length": 64}
    assert left.get_interfaces_counters()["eth1"]["rx_octets"] > 100


def test_a_bgp_session_that_stands_is_seen_as_it_is(left: FRRDriver) -> None:
    instance = left.get_bgp_neighbors()["global"]
    assert instance["router_id"] == "10.0.0.1"
    peer = instance["peers"]["192.0.2.2"]
    assert peer.pop("uptime") >= 0
    assert peer == {
        "local_as": 65001, "remote_as": 65002, "remote_id": "8.8.8.8", "is_up": True, "is_enabled": True,
        "description": "the right one",
        "address_family": {"ipv4": {"received_prefixes": 2, "accepted_prefixes": 2, "sent_prefixes": 3}},
    }  # fmt: skip
    shut = instance["peers"]["192.0.2.9"]
    assert (shut["is_up"], shut["is_enabled"], shut["uptime"], shut["remote_id"]) == (False, False, -1, "")
    (detail,) = left.get_bgp_neighbors_detail("192.0.2.2")["global"][65002]
    assert (detail["up"], detail["local_address"], detail["holdtime"]) == (True, "192.0.2.1", 180)
    assert 179 in (detail["local_port"], detail["remote_port"])


def test_a_route_has_its_next_hop_and_its_attributes(left: FRRDriver) -> None:
    (route,) = left.get_route_to("1.0.4.0/24", "bgp")["1.0.4.0/24"]
    assert route.pop("age") >= 0
    attributes = route.pop("protocol_attributes")
    assert route == {
        "protocol": "bgp", "current_active": True, "last_active": True, "next_hop": "192.0.2.2",
        "outgoing_interface": "eth1", "selected_next_hop": True, "preference": 20, "inactive_reason": "",
        "routing_table": "default",
    }  # fmt: skip
    assert attributes == {
        "local_as": 65001, "remote_as": 65002, "peer_id": "192.0.2.2", "as_path": "65002",
        "communities": ["65002:1", "65002:2"], "local_preference": 100, "preference2": -101, "metric": 77, "metric2": 0,
    }  # fmt: skip


def test_routes_are_found_by_address_prefix_and_protocol(left: FRRDriver) -> None:
    assert list(left.get_route_to("1.0.4.9")) == ["1.0.4.0/24"]
    assert left.get_route_to("1.0.0.0/8") == {}
    assert list(left.get_route_to("1.0.0.0/8", longer=True)) == ["1.0.4.0/24"]
    assert left.get_route_to("1.0.4.0/24", protocol="ospf") == {}
    assert set(left.get_route_to(protocol="bgp")) == {"1.0.4.0/24", "8.8.8.8/32"}
    assert "2001:db8::/64" in left.get_route_to(protocol="direct")
    with pytest.raises(ValueError, match="neither an address nor a prefix"):
        left.get_route_to("1.0.4.0/24 json\nconfigure")


def test_neighbours_at_layer_2_are_those_of_the_kernel(left: FRRDriver, pair: tuple[Router, Router]) -> None:
    mac = pair[1].execute("cat", "/sys/class/net/eth1/address").strip().upper()
    (entry,) = left.get_arp_table()
    assert (entry["interface"], entry["ip"], entry["mac"]) == ("eth1", "192.0.2.2", mac)
    assert {one["ip"]: one["mac"] for one in left.get_ipv6_neighbors_table()}["2001:db8::2"] == mac


def test_network_instances_are_vrfs_with_their_route_distinguishers(left: FRRDriver) -> None:
    left.load_merge_candidate(
        config="vrf red\nexit-vrf\nrouter bgp 65001 vrf red\n address-family ipv4 unicast\n"
        "  rd vpn export 65001:7\n exit-address-family\nexit\n"
    )
    left.commit_config()
    instances = left.get_network_instances()
    assert instances["red"]["state"] == {"route_distinguisher": "65001:7"}
    assert {"eth1", "lo"} <= set(instances["default"]["interfaces"]["interface"])
    assert list(left.get_network_instances("red")) == ["red"]
    assert left.get_network_instances("blue") == {}
    assert left.get_bgp_neighbors()["red"]["peers"] == {}
    left.rollback()


def test_ping_counts_what_came_and_what_did_not(left: FRRDriver) -> None:
    good = left.ping("192.0.2.2", count=3, source_interface="eth1")["success"]
    assert (good["probes_sent"], good["packet_loss"], len(good["results"])) == (3, 0, 3)
    assert 0 < good["rtt_min"] <= good["rtt_avg"] <= good["rtt_max"]
    assert left.ping("2001:db8::2", count=1)["success"]["results"][0]["ip_address"] == "2001:db8::2"
    lost = left.ping("192.0.2.2", count=2, timeout=1, size=70000)["success"]
    assert (lost["probes_sent"], lost["packet_loss"], lost["results"]) == (2, 2, [])
    assert "unreachable" in left.ping("203.0.113.1", count=1, timeout=1)["error"]
    assert left.ping("192.0.2.2", count=1, source="192.0.2.1", source_interface="eth1")["success"]["packet_loss"] == 0
    assert "nosuch" in left.ping("192.0.2.2", count=1, source="192.0.2.1", source_interface="nosuch")["error"]
    with pytest.raises(ValueError, match="neither a name nor an address"):
        left.ping("-f")


def test_traceroute_finds_its_way_and_says_when_there_is_none(left: FRRDriver) -> None:
    probes = left.traceroute("8.8.8.8", timeout=1)["success"][1]["probes"]
    assert probes[1]["ip_address"] == "8.8.8.8"
    assert 0 <= probes[1]["rtt"] < 1000
    assert "unreachable" in left.traceroute("203.0.113.1", timeout=1)["error"]


def test_cli_gives_text_and_json_and_frrs_own_words(left: FRRDriver) -> None:
    assert "65002" in left.cli(["show bgp summary"])["show bgp summary"]
    assert left.cli(["show bgp summary"], encoding="json")["show bgp summary"]["ipv4Unicast"]["as"] == 65001
    for wrong in ("show nonsense", "show version\nconfigure"):
        with pytest.raises(CommandErrorException, match=r"Unknown command|one line"):
            left.cli([wrong])
    with pytest.raises(ConnectionException, match=r"(?s)not the JSON.*65002"):
        left.cli(["show bgp summary | include json"], encoding="json") and left._device.show_json("show bgp summary")


def test_a_router_without_bgpd_has_no_bgp_neighbours(pair: tuple[Router, Router]) -> None:
    with connect(pair[1]) as right:
        assert right.get_bgp_neighbors()["global"]["peers"]["192.0.2.1"]["is_up"]
        pair[1].stop("bgpd")
        assert right.get_bgp_neighbors() == {"global": {"router_id": "", "peers": {}}}
        assert right.get_route_to("1.0.4.0/24")["1.0.4.0/24"][0]["protocol"] == "static"
