"""Models for tests of rendering: a full one, and all that hypothesis can think of."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st

from labwright.kit import node
from labwright.kit.model import Node

FULL = node({
    "hostname": "hub",
    "interfaces": [
        {"loopback": 0, "ipv4": ["10.1.1.1/32"], "ipv6": ["2001:db8:1::1/128"]},
        {"index": 1, "ipv4": ["10.10.10.1/30"], "ipv6": ["2001:db8:10::1/64"], "mtu": 1400, "description": "to & fro"},
        {"index": 2, "ipv4": ["10.10.20.1/24", "10.10.20.2/24"]},
        {"index": 3, "enabled": False},
    ],
    "bgp": {"as": 4200000001, "networks": ["10.1.1.1/32", "2001:db8:1::1/128"], "neighbors": [
        {"peer": "10.10.10.2", "remote_as": 65002, "description": "branch 1 (left)"},
        {"peer": "2001:db8:10::2", "remote_as": 65002}, {"peer": "10.10.20.9", "remote_as": 4200000001}]},
    "ospf": {"areas": {"0": {"interfaces": [1], "loopbacks": [0]}, "0.0.0.7": {"interfaces": [2]}}},
})  # fmt: skip

SIGNS = "abcXYZ019 _.,:/()[]+=@#*&<>~%|-"


def described(refused: str) -> st.SearchStrategy[str]:
    signs = "".join(sign for sign in SIGNS if sign not in refused)
    return st.text(signs, max_size=40).map(lambda text: text.strip().lstrip("#").strip())


@st.composite
def nodes(draw: st.DrawFn, refused: str = "") -> Node:
    """Models. refused: signs that the system misreads in a description."""
    texts = described(refused)
    count = draw(st.integers(1, 4))
    interfaces: list[dict[str, Any]] = [{"loopback": 0, "ipv4": ["10.255.0.1/32"]}]
    for index in range(1, count + 1):
        interfaces.append({
            "index": index, "description": draw(texts), "enabled": draw(st.booleans()),
            "mtu": draw(st.none() | st.integers(1280, 9216)),
            "ipv4": [f"{IPv4Address(0x0A000001 + (index << 16))}/{draw(st.integers(17, 30))}"],
            "ipv6": [f"{IPv6Address((0x20010DB8 << 96) + (index << 64) + 1)}/64"] if draw(st.booleans()) else [],
        })  # fmt: skip
    peers = draw(st.lists(st.ip_addresses(v=4, network="172.16.0.0/12"), max_size=3, unique=True))
    values: dict[str, Any] = {
        "hostname": draw(st.none() | st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)),
        "interfaces": interfaces,
        "bgp": {"as": draw(st.integers(1, 23455)), "networks": ["10.255.0.1/32"], "neighbors": [
            {"peer": str(each), "remote_as": draw(st.integers(1, 23455)), "description": draw(texts)}
            for each in peers]},
        "ospf": {"areas": {str(draw(st.integers(0, 2**32 - 1))): {"interfaces": [1], "loopbacks": [0]}}},
    }  # fmt: skip
    return node(values)
