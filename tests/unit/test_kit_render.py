"""Rendering: the same facts in each syntax, and nothing in a value that becomes syntax."""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Mapping
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from support.kit.models import FULL, nodes

from labwright.kit import SYSTEMS, KitError, Node, node, render

CLI = ("eos", "ios", "nxos", "frr")


def whole(what: Node, system: str) -> str:
    found = render(what, system)
    return found if isinstance(found, str) else "\n".join(found.values())


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_address_is_in_every_systems_text(system: str) -> None:
    text = whole(FULL, system)
    for port in FULL.interfaces:
        for address in port.addresses:
            assert re.search(rf"{re.escape(address.partition('/')[0])}\b", text), address


@pytest.mark.parametrize("system", ["frr", "junos", "eos", "ios", "nxos", "nxos-json"])
def test_every_neighbour_network_and_area_is_in_every_routers_text(system: str) -> None:
    text = whole(FULL, system)
    assert FULL.bgp
    for word in ("4200000001", *(each.peer for each in FULL.bgp.neighbors), "0.0.0.7", "2001:db8:1::1/128"):
        assert re.search(rf"{re.escape(word)}\b", text), word


@pytest.mark.parametrize("system", SYSTEMS)
def test_raw_text_comes_last_and_only_for_its_system(system: str) -> None:
    raw = "<snmp/>" if system == "junos" else "some line of its own"
    asked = whole(FULL.model_copy(update={"raw": {system: raw}}), system)
    assert raw in asked
    other = next(each for each in SYSTEMS if each != system)
    assert raw not in whole(FULL.model_copy(update={"raw": {system: raw}}), other)


@pytest.mark.parametrize(
    "raw",
    [
        "<a>",
        "</configuration>",
        "a & b",
        "<!DOCTYPE x>",
        '<?xml version="1.0"?>',
        "<b/></configuration><configuration>",
    ],
)
def test_raw_text_for_junos_that_breaks_the_document_is_refused(raw: str) -> None:
    with pytest.raises(KitError, match=r"raw\.junos"):
        render(FULL.model_copy(update={"raw": {"junos": raw}}), "junos")


@given(nodes())
@settings(max_examples=60, deadline=None)
def test_a_value_never_becomes_syntax(what: Node) -> None:
    for system in SYSTEMS:
        try:
            found = render(what, system)
        except KitError as error:
            assert "misreads" in str(error)
            continue
        texts = found.values() if isinstance(found, Mapping) else [found]
        for text in texts:
            assert text.isprintable() or set(re.findall(r"[^\x20-\x7e]", text)) <= {"\n"}
        descriptions = [port.description for port in what.ports]
        if system == "junos":
            tree = ElementTree.fromstring(str(found))
            said = [
                each.findtext("description") or "" for each in tree.iter("interface") if each.find("unit") is not None
            ]
            assert said[: len(descriptions)] == descriptions
        elif system in CLI:
            lines = re.findall(r"^ +description (.*)$", str(found), re.M)
            assert [line for line in descriptions if line] == lines[: len([line for line in descriptions if line])]
        elif system == "nxos-json":
            commands = [each["params"]["cmd"] for each in json.loads(str(found))]
            assert not [command for command in commands if "\n" in command]
        elif system in {"networkd", "networkmanager"}:
            for text in texts:
                parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#",), delimiters=("=",))
                parser.read_string(text)
                assert set(parser.sections()) <= {"Match", "Link", "Network", "connection", "ethernet", "ipv4", "ipv6"}


def test_an_interface_that_is_off_is_off_in_every_syntax() -> None:
    off = {"eos": " shutdown", "ios": " shutdown", "nxos": " shutdown", "frr": " shutdown", "junos": "<disable/>",
           "networkd": "ActivationPolicy=always-down", "networkmanager": "autoconnect=false"}  # fmt: skip
    only = node({"interfaces": [{"index": 1, "enabled": False}]})
    on = node({"interfaces": [{"index": 1}]})
    for system, word in off.items():
        assert word in whole(only, system).replace(" no shutdown", "")
        assert word not in whole(on, system).replace(" no shutdown", "")
    assert "auto eth1" in whole(on, "ifupdown")
    assert "auto eth1" not in whole(only, "ifupdown")


def test_the_mtu_of_junos_counts_ethernets_header() -> None:
    assert "<mtu>1414</mtu>" in whole(FULL, "junos")


def test_masks_are_written_where_the_system_has_no_prefix_lengths() -> None:
    text = whole(FULL, "ios")
    assert " ip address 10.10.10.1 255.255.255.252" in text
    assert " ip address 10.10.20.2 255.255.255.0 secondary" in text
    assert "network 10.1.1.1 mask 255.255.255.255" in text


def test_real_names_are_used_and_a_name_cannot_bring_a_line_of_its_own() -> None:
    assert "interface enp1s0\n" in str(render(FULL, "frr", ["enp1s0", "enp2s0", "enp3s0"]))
    for bad in ("eth1\n shutdown", "../../etc/passwd x", "", "-x"):
        with pytest.raises(KitError, match="not the name of an interface"):
            render(FULL, "frr", [bad, "b", "c"])


def test_an_unknown_system_is_named_beside_those_that_there_are() -> None:
    with pytest.raises(KitError, match=r"(?s)'windows'.*frr"):
        render(FULL, "windows")
