"""The model of a node: what is refused, and with which words and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.errors import Cause, LabwrightError
from labwright.kit import KitError, load_node, node
from labwright.kit.systems import interface_name


def port(**values: Any) -> dict[str, Any]:
    return {"interfaces": [{"index": 1} | values]}


def bgp(**values: Any) -> dict[str, Any]:
    return {"bgp": {"as": 65001, "router_id": "1.1.1.1"} | values}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"interface": []}, "interface"),
        ({"hostname": "a b"}, "not a host name"),
        ({"hostname": "x" * 64}, "not a host name"),
        (port(mtu="1500"), "interfaces.0.mtu"),
        (port(mtu=67), "interfaces.0.mtu"),
        (port(mtu=1279, ipv6=["2001:db8::1/64"]), "1280"),
        (port(index=0), "interfaces.0.index"),
        (port(loopback=0), "either an index or a loopback"),
        ({"interfaces": [{}]}, "either an index or a loopback"),
        ({"interfaces": [{"index": 1}, {"index": 1}]}, "the index 1 is there twice"),
        ({"interfaces": [{"loopback": 0}, {"loopback": 0}]}, "the loopback 0 is there twice"),
        ({"interfaces": [{"loopback": 0, "ipv4": ["10.0.0.1/24"]}]}, "a loopback's prefix length is 32"),
        ({"interfaces": [{"loopback": 0, "enabled": False}]}, "always on"),
        (port(ipv4=["10.0.0.1"]), "no prefix length"),
        (port(ipv4=["10.0.0.0/24"]), "the network itself"),
        (port(ipv4=["10.0.0.255/24"]), "broadcast"),
        (port(ipv4=["224.0.0.1/24"]), "multicast"),
        (port(ipv4=["127.0.0.1/8"]), "loopback address"),
        (port(ipv4=["0.0.0.0/0"]), "unspecified"),
        (port(ipv4=["2001:db8::1/64"]), "not an IPv4 address"),
        (port(ipv6=["2001:db8::/64"]), "the network itself"),
        (port(ipv6=["fe80::1%eth0/64"]), "not an IPv6 address"),
        (port(ipv4=["10.0.0.1/24", "10.0.0.1/24"]), "the address 10.0.0.1 is there twice"),
        ({"interfaces": [{"index": 1, "ipv4": ["10.0.0.1/24"]}, {"index": 2, "ipv4": ["10.0.0.2/25"]}]}, "one network"),
        (bgp(**{"as": 0}), "not an AS number"),
        (bgp(**{"as": 2**32}), "not an AS number"),
        (bgp(**{"as": 23456}), "not an AS number"),
        (bgp(router_id="1.1.1"), "not a router's id"),
        (bgp(networks=["10.0.0.1/24"]), "not a prefix"),
        (bgp(neighbors=[{"peer": "10.0.0.1/24", "remote_as": 1}]), "not an address"),
        (bgp(neighbors=[{"peer": "224.0.0.5", "remote_as": 1}]), "not the address of a neighbour"),
        (bgp(neighbors=[{"peer": "10.0.0.1", "remote_as": 1}] * 2), "there twice"),
        ({"bgp": {"as": 65001}}, "needs a router_id"),
        ({"ospf": {"areas": {}}}, "ospf.areas"),
        ({"ospf": {"areas": {"0.0.0": {}}}}, "not an area"),
        ({"ospf": {"areas": {"0": {}, "0.0.0.0": {}}}}, "there twice"),
        (port(ipv4=["10.0.0.1/24"]) | {"ospf": {"areas": {"0": {"interfaces": [2]}}}}, "no interface with index 2"),
        (port(ipv4=["10.0.0.1/24"]) | {"ospf": {"areas": {"0": {"interfaces": [1]}, "1": {"interfaces": [1]}}}},
         "the index 1 is there twice"),
        ({"raw": {"windows": ""}}, "no system"),
        ({"raw": {"frr": "a\x1bb"}}, "control characters"),
    ],
)  # fmt: skip
def test_what_no_router_could_be_is_refused_in_words(data: dict[str, Any], said: str) -> None:
    with pytest.raises(KitError, match=said) as caught:
        node(data)
    assert caught.value.cause is Cause.CONFIG


@pytest.mark.parametrize("sign", ["\n", "\r", "\x00", '"', "'", "\\", "`", "$", ";", "?", "{", "}", "ä", "\u202e"])
@pytest.mark.parametrize("where", ["interface", "neighbour"])
def test_a_description_with_signs_that_a_system_acts_on_is_refused(sign: str, where: str) -> None:
    text = f"to {sign} spine"
    data = port(description=text) if where == "interface" else bgp(
        neighbors=[{"peer": "10.0.0.1", "remote_as": 1, "description": text}])  # fmt: skip
    with pytest.raises(KitError, match="a description is"):
        node(data)


def test_every_mistake_of_a_file_names_file_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text("hostname: hub\ninterfaces:\n- index: 1\n  ipv4: [10.0.0.0/24]\n- index: 2\n  mtux: 3\n")
    with pytest.raises(LabwrightError) as caught:
        load_node(file)
    said = [caught.value.what, *caught.value.details]
    assert any(line.startswith(f"{file}:4: interfaces.0.ipv4") for line in said)
    assert any(line.startswith(f"{file}:6: interfaces.1.mtux: unknown key; did you mean 'mtu'?") for line in said)


def test_the_same_model_comes_from_a_file_and_from_values(tmp_path: Path) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text("interfaces:\n- {loopback: 0, ipv4: [1.1.1.1/32]}\nospf:\n  areas:\n    0: {loopbacks: [0]}\n")
    values = {
        "interfaces": [{"loopback": 0, "ipv4": ["1.1.1.1/32"]}],
        "ospf": {"areas": {"0.0.0.0": {"loopbacks": [0]}}},
    }
    assert load_node(file) == node(values)


def test_addresses_are_written_in_one_way_so_that_they_can_be_compared_with_the_kernels() -> None:
    found = node(port(ipv6=["2001:DB8:0:0::1/64"]))
    assert found.interfaces[0].ipv6 == ("2001:db8::1/64",)


@pytest.mark.parametrize(
    ("system", "first", "second"),
    [("frr", "eth1", "eth2"), ("junos", "ge-0/0/0", "ge-0/0/1"), ("eos", "Ethernet1", "Ethernet2"),
     ("ios", "GigabitEthernet0/1", "GigabitEthernet0/2"), ("nxos", "Ethernet1/1", "Ethernet1/2"),
     ("sonic", "Ethernet0", "Ethernet4"), ("cumulus", "swp1", "swp2"), ("iosxr", "GigabitEthernet0/0/0/0",
                                                                       "GigabitEthernet0/0/0/1")],
)  # fmt: skip
def test_the_first_data_interface_has_each_systems_first_name(system: str, first: str, second: str) -> None:
    assert (interface_name(system, 1), interface_name(system, 2)) == (first, second)


def test_real_names_are_taken_and_a_missing_one_is_said() -> None:
    assert interface_name("frr", 2, ["enp1s0", "enp2s0"]) == "enp2s0"
    assert interface_name("frr", 7, {7: "swp7"}) == "swp7"
    with pytest.raises(KitError, match="interface 3 has no name"):
        interface_name("frr", 3, ["enp1s0", "enp2s0"])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.floats(allow_nan=False),
    lambda inside: st.lists(inside, max_size=3)
    | st.dictionaries(st.sampled_from(["interfaces", "index", "loopback", "ipv4", "bgp", "as", "ospf", "areas", "raw",
                                       "hostname", "neighbors", "x"]), inside, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["interfaces", "bgp", "ospf", "raw", "hostname"]), VALUES, max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_a_model_it_is_taken_or_refused_and_never_a_crash(data: dict[str, Any]) -> None:
    try:
        node(data)
    except KitError as error:
        assert error.cause is Cause.CONFIG
