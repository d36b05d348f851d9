"""What the driver makes of FRR's texts, in several versions, and of JSON from a device that may be hostile."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napalm.base.exceptions import ConnectionException

from napalm_frr import bgp, interfaces, routes
from napalm_frr.device import parse_json, understood

# FRR's texts


@pytest.mark.parametrize(
    ("text", "version", "hostname"),
    [
        ("FRRouting 8.4.4 (vm) on Linux(6.18.44-fc).\nCopyright 1996-2005", "8.4.4", "vm"),
        ("FRRouting 7.5.1 (r1.example.net).\nCopyright", "7.5.1", "r1.example.net"),
        ("FRRouting 9.1_git (clab-r1) on Linux(5.15.0-91-generic).\n", "9.1_git", "clab-r1"),
        ("FRRouting 10.1.1 (spine-1) on Linux(6.8.0).\n", "10.1.1", "spine-1"),
        ("FRRouting 10.2-dev-MyOwnFRRVersion () on Linux(6.8.0).\n", "10.2-dev-MyOwnFRRVersion", ""),
        ("Hello, this is FRRouting (version 8).\nFRRouting 8.1.\n", "8.1", ""),
    ],
)
def test_the_version_is_read_from_all_forms_of_its_line(text: str, version: str, hostname: str) -> None:
    assert interfaces.version(text) == {"version": version, "hostname": hostname}


def test_a_device_that_is_not_frr_is_said_so() -> None:
    with pytest.raises(ConnectionException, match=r"(?s)not FRR's.*Cisco IOS"):
        interfaces.version("Cisco IOS Software")


@pytest.mark.parametrize(
    ("uptime", "seconds"),
    [
        ("00:01:02", 62), ("23:59:59", 86399), ("1d02h03m", 93780), ("02w3d04h", 1483200), ("01y02w3d", 33004800),
        ("never", -1), ("", -1), ("-1", -1),
    ],
)  # fmt: skip
def test_the_age_of_a_route_is_read_from_all_forms(uptime: str, seconds: int) -> None:
    assert routes.seconds(uptime) == seconds


def test_vrfs_that_are_only_configured_are_there_too() -> None:
    running = (
        "router bgp 65001 vrf red\n address-family ipv4 unicast\n  rd vpn export 1:2\n exit\nexit\n!\nrouter bgp 1\n"
    )
    shown = {"eth0": {"vrfName": "red"}, "lo": {"vrfName": "default"}}
    found = interfaces.instances(shown, "vrf red id 5 table 10\nvrf blue inactive (configured)\n", running)
    assert list(found) == ["default", "red", "blue"]
    assert found["red"]["state"] == {"route_distinguisher": "1:2"}
    assert found["red"]["interfaces"] == {"interface": {"eth0": {}}}


def test_routes_of_several_vrfs_are_found_in_both_forms() -> None:
    entry = {"protocol": "static", "nexthops": [], "vrfName": "red"}
    old = parse_json(json.dumps({"10.0.0.0/8": [entry]}) + "\n" + json.dumps({"10.0.0.0/8": [entry]}), "x")
    new = {"default": {"10.0.0.0/8": [entry]}, "red": {"10.0.0.0/8": [entry]}}
    assert [len(routes.routes_of(shown, "")["10.0.0.0/8"]) for shown in (old, new)] == [2, 2]
    assert routes.routes_of(new, "bgp") == {}


# JSON from a device


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["default", "peers", "paths", "nexthops", "ipAddresses", "address", "10.0.0.0/8", "ipv4Unicast", "mtu",
             "as", "speed", "state", "addressFamilyInfo", "messageStats", "aspath", "segments", "dev", "lladdr",
             "stats64"]
        ),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(st.text())
def test_what_is_not_json_is_said_so(text: str) -> None:
    try:
        assert isinstance(parse_json(text, "show x json"), dict)
    except ConnectionException as error:
        assert "show x json" in str(error)


def test_json_without_an_end_to_its_depth_is_said_so() -> None:
    with pytest.raises(ConnectionException, match="not the JSON"):
        parse_json('{"a":' * 200_000, "x")
    with pytest.raises(ConnectionException, match="iproute2"):
        interfaces.json_list("[" * 200_000, "x")


def test_escapes_in_json_are_spelled_out() -> None:
    assert parse_json('{"a\\u001b": ["\\u001b[2J"]}', "x") == {"a\\x1b": ["\\x1b[2J"]}


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["default", "eth0", "10.0.0.0/8", "paths", "ipv4Unicast"]), JSON))
def test_json_of_another_form_is_no_traceback(shown: dict[str, object]) -> None:
    for parse, more in (
        (interfaces.interfaces, ()), (interfaces.addresses, ()), (bgp.neighbors, (shown,)),
        (bgp.neighbors_detail, ("",)), (bgp.paths, (1,)), (routes.routes_of, ("",)), (routes.own_systems, ()),
    ):  # fmt: skip
        try:
            assert isinstance(understood(parse, shown, *more), dict)
        except ConnectionException as error:
            assert parse.__name__ in str(error)
    for parse_list, rest in ((interfaces.counters, ()), (interfaces.neighbours, (None,))):
        try:
            understood(parse_list, [shown], *rest)
        except ConnectionException as error:
            assert parse_list.__name__ in str(error)
