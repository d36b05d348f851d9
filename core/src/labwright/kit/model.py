"""The flat model of a node: host name, interfaces, BGP, OSPF, and what only one system knows.

One file serves every system: each renders it in its own syntax. Unknown keys are refused, and an error names the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Interface,
    ip_address,
    ip_interface,
    ip_network,
)
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from labwright.errors import Cause
from labwright.kit.errors import KitError
from labwright.kit.systems import SYSTEMS
from labwright.spec.document import read_document
from labwright.spec.image import Strict

HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
DESCRIPTION = re.compile(r"[A-Za-z0-9 _.,:/()\[\]+=@#*&<>~%|-]{0,200}")
"""What no system reads as something else: no quotes, no backslash, no $ (NX-OS's variables), no ; (its separator of
commands), no ? (help), no braces. What only some of them mistake is refused where it is rendered for them."""
AREA_NUMBER = re.compile(r"[0-9]{1,10}")
LARGEST_AS = 2**32 - 1
RESERVED_AS = frozenset({23456, 65535, LARGEST_AS})
"""AS_TRANS (RFC 6793), and the last of each size (RFC 7300)."""
LEAST_IPV6_MTU = 1280
"""RFC 8200, 5."""
HELP = "docs/kit.md lists the keys of the model"


def _interface_address(text: str, version: int) -> str:
    """The address as it is usually written. Raises ValueError unless an interface can have it."""
    if "/" not in text:
        raise ValueError(f"{text!r} has no prefix length, such as 192.0.2.1/24")
    try:
        found = ip_interface(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an address with a prefix length, such as 192.0.2.1/24") from None
    if found.version != version or getattr(found, "scope_id", None):
        raise ValueError(f"{text!r} is not an IPv{version} address")
    kind = next(
        (word for word, wrong in (("multicast", found.is_multicast), ("unspecified", found.ip.is_unspecified),
                                  ("loopback", found.ip.is_loopback)) if wrong), "",
    )  # fmt: skip
    if kind:
        raise ValueError(f"{text!r} is a {kind} address: no interface of a lab can have it")
    length, network = found.network.prefixlen, found.network
    if length < found.max_prefixlen - 1:
        if found.ip == network.network_address:
            raise ValueError(f"{text!r} is the address of the network itself: choose one in it")
        if version == 4 and found.ip == network.broadcast_address:
            raise ValueError(f"{text!r} is the broadcast address of its network")
    return found.with_prefixlen


def _version(text: str) -> int:
    """4 or 6, of an address or prefix that has been checked: renderings ask often, and parsing it takes its time."""
    return 6 if ":" in text else 4


def _autonomous_system(number: int) -> int:
    if not 1 <= number <= LARGEST_AS or number in RESERVED_AS:
        raise ValueError(f"{number} is not an AS number: 1 to {LARGEST_AS - 1}, without reserved ones")
    return number


def _router_id(text: str | None) -> str | None:
    if text is not None and (not _is_ipv4(text) or text == "0.0.0.0"):  # noqa: S104 - not a place to listen
        raise ValueError(f"{text!r} is not a router's id, such as 10.0.0.1")
    return text


def _is_ipv4(text: str) -> bool:
    try:
        return str(IPv4Address(text)) == text
    except ValueError:
        return False


class Port(Strict):
    """An interface: a port with its number, or a loopback with its number."""

    index: Annotated[int, Field(ge=1, le=255)] | None = Field(
        None, description="Number of a data interface, from 1: the order of the lesson's connections."
    )
    loopback: Annotated[int, Field(ge=0, le=255)] | None = Field(None, description="Number of a loopback, from 0.")
    description: str = Field("", description="Text for people.")
    ipv4: tuple[str, ...] = Field((), description="Addresses with prefix lengths.")
    ipv6: tuple[str, ...] = Field((), description="Addresses with prefix lengths.")
    mtu: Annotated[int, Field(ge=68, le=9216)] | None = Field(None, description="Largest IP packet, in bytes.")
    enabled: bool = Field(True, description="Whether it is switched on.")

    @field_validator("ipv4")
    @classmethod
    def _ipv4(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_interface_address(text, 4) for text in addresses)

    @field_validator("ipv6")
    @classmethod
    def _ipv6(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_interface_address(text, 6) for text in addresses)

    @field_validator("description")
    @classmethod
    def _one_line(cls, text: str) -> str:
        if not DESCRIPTION.fullmatch(text) or text != text.strip() or text[:1] in {"#"}:
            raise ValueError(
                "a description is at most 200 letters, digits and signs, without quotes, \\ ; ? $ and braces, and does"
                " not begin with #"
            )
        return text

    @model_validator(mode="after")
    def _facts(self) -> Port:
        if (self.index is None) == (self.loopback is None):
            raise ValueError("an interface has either an index or a loopback")
        if self.loopback is not None and (self.mtu is not None or not self.enabled):
            raise ValueError("a loopback has no mtu and is always on")
        if self.ipv6 and self.mtu is not None and self.mtu < LEAST_IPV6_MTU:
            raise ValueError(f"IPv6 needs an mtu of {LEAST_IPV6_MTU} or more")
        for address in self.ipv4 + self.ipv6:
            found = ip_interface(address)
            if self.loopback is not None and found.network.prefixlen != found.max_prefixlen:
                raise ValueError(f"{address}: a loopback's prefix length is {found.max_prefixlen}")
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """All of them, IPv4 first."""
        return self.ipv4 + self.ipv6


class Neighbor(Strict):
    """A BGP session."""

    peer: str = Field(description="Its address.")
    remote_as: int = Field(description="Its AS number.")
    description: str = Field("", description="Text for people.")

    _number = field_validator("remote_as")(_autonomous_system)
    _text = field_validator("description")(Port._one_line.__func__)  # type: ignore[attr-defined]

    @field_validator("peer")
    @classmethod
    def _peer(cls, text: str) -> str:
        try:
            found = ip_address(text)
        except ValueError:
            raise ValueError(f"{text!r} is not an address") from None
        if found.is_multicast or found.is_unspecified or found.is_loopback or found.is_link_local:
            raise ValueError(f"{text!r} is not the address of a neighbour")
        return str(found)

    @property
    def version(self) -> int:
        """4 or 6."""
        return _version(self.peer)


class Bgp(Strict):
    """BGP of one router."""

    asn: int = Field(alias="as", description="The router's AS number.")
    router_id: str | None = Field(None, description="By default the address of the first loopback.")
    neighbors: tuple[Neighbor, ...] = Field((), description="Sessions.")
    networks: tuple[str, ...] = Field((), description="Prefixes to announce, where the router has a route to them.")

    _number = field_validator("asn")(_autonomous_system)
    _id = field_validator("router_id")(_router_id)

    @field_validator("networks")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        found = []
        for text in networks:
            try:
                found.append(ip_network(text).with_prefixlen)
            except ValueError:
                raise ValueError(f"{text!r} is not a prefix, such as 192.0.2.0/24") from None
        return tuple(found)

    @field_validator("neighbors")
    @classmethod
    def _once(cls, neighbors: tuple[Neighbor, ...]) -> tuple[Neighbor, ...]:
        if twice := _twice(each.peer for each in neighbors):
            raise ValueError(f"the neighbour {twice} is there twice")
        return neighbors

    def prefixes(self, version: int) -> tuple[str, ...]:
        """Those of its networks that are IPv4 or IPv6."""
        return tuple(text for text in self.networks if _version(text) == version)

    def peers(self, version: int) -> tuple[Neighbor, ...]:
        """Those of its neighbours that are reached over IPv4 or IPv6."""
        return tuple(each for each in self.neighbors if each.version == version)


class Area(Strict):
    """What is in an OSPF area."""

    interfaces: tuple[int, ...] = Field((), description="Indexes.")
    loopbacks: tuple[int, ...] = Field((), description="Numbers of loopbacks.")


class Ospf(Strict):
    """OSPF for IPv4 (version 2)."""

    router_id: str | None = Field(None, description="By default the address of the first loopback.")
    areas: dict[str, Area] = Field(min_length=1, description="By id: 0.0.0.0, or 0.")

    _id = field_validator("router_id")(_router_id)

    @field_validator("areas")
    @classmethod
    def _ids(cls, areas: dict[str, Area]) -> dict[str, Area]:
        found: dict[str, Area] = {}
        for name, area in areas.items():
            number = AREA_NUMBER.fullmatch(name) and int(name) < 2**32
            if not number and not _is_ipv4(name):
                raise ValueError(f"{name!r} is not an area, such as 0.0.0.0")
            dotted = str(IPv4Address(int(name))) if number else name
            if dotted in found:
                raise ValueError(f"the area {dotted} is there twice")
            found[dotted] = area
        return found


class Node(Strict):
    """One router or host of a lesson."""

    hostname: str | None = Field(None, description="Its name; by default it is left as it is.")
    interfaces: tuple[Port, ...] = Field((), description="Ports and loopbacks.")
    bgp: Bgp | None = Field(None, description="BGP.")
    ospf: Ospf | None = Field(None, description="OSPF.")
    raw: dict[str, str] = Field({}, description="Text of a system's own, after the rest.")

    @field_validator("hostname")
    @classmethod
    def _hostname(cls, name: str | None) -> str | None:
        if name is not None and (not HOSTNAME.fullmatch(name) or name.isdecimal()):
            raise ValueError(f"{name!r} is not a host name: letters, digits and -, at most 63")
        return name

    @field_validator("raw")
    @classmethod
    def _raw(cls, texts: dict[str, str]) -> dict[str, str]:
        for system, text in texts.items():
            if system not in SYSTEMS:
                raise ValueError(f"{system!r} is no system: {', '.join(SYSTEMS)}")
            if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text):
                raise ValueError(f"the text for {system} has control characters")
        return texts

    @model_validator(mode="after")
    def _facts(self) -> Node:
        if twice := _twice(port.index for port in self.interfaces if port.index is not None):
            raise ValueError(f"the index {twice} is there twice")
        if twice := _twice(str(port.loopback) for port in self.interfaces if port.loopback is not None):
            raise ValueError(f"the loopback {twice} is there twice")
        found = [(address, ip_interface(address)) for port in self.interfaces for address in port.addresses]
        if twice := _twice(str(one.ip) for _, one in found):
            raise ValueError(f"the address {twice} is there twice")
        where = [(port, ip_interface(text)) for port in self.interfaces for text in port.addresses]
        for (one, left), (other, right) in combinations(where, 2):
            if one is not other and _overlap(left, right):
                raise ValueError(f"{left} and {right} are in one network, on two interfaces")
        self._check_routing()
        return self

    def _check_routing(self) -> None:
        if self.bgp and self.router_id(self.bgp) is None and not any(port.ipv4 for port in self.interfaces):
            raise ValueError("bgp: without an IPv4 address it needs a router_id")
        if self.ospf is None:
            return
        areas = self.ospf.areas.values()
        for key, has in (("index", "interfaces"), ("loopback", "loopbacks")):
            named = [number for area in areas for number in getattr(area, has)]
            known = {getattr(port, key) for port in self.interfaces if port.ipv4}
            if strange := [number for number in named if number not in known]:
                raise ValueError(f"ospf: there is no interface with {key} {strange[0]} and an IPv4 address")
            if twice := _twice(named):
                raise ValueError(f"ospf: the {key} {twice} is there twice")

    @property
    def ports(self) -> tuple[Port, ...]:
        """The data interfaces by their indexes."""
        return tuple(sorted((port for port in self.interfaces if port.index is not None), key=lambda p: p.index or 0))

    @property
    def loopbacks(self) -> tuple[Port, ...]:
        """The loopbacks by their numbers."""
        found = (port for port in self.interfaces if port.loopback is not None)
        return tuple(sorted(found, key=lambda p: p.loopback or 0))

    def router_id(self, protocol: Bgp | Ospf) -> str | None:
        """The id that a protocol has, or that of the first loopback, or None for the system to choose."""
        if protocol.router_id is not None:
            return protocol.router_id
        return next((port.ipv4[0].partition("/")[0] for port in self.loopbacks if port.ipv4), None)

    def area_of(self, port: Port) -> str | None:
        """The OSPF area that an interface is in."""
        for name, area in (self.ospf.areas if self.ospf else {}).items():
            if port.index in area.interfaces if port.index is not None else port.loopback in area.loopbacks:
                return name
        return None


def _overlap(left: IPv4Interface | IPv6Interface, right: IPv4Interface | IPv6Interface) -> bool:
    return left.version == right.version and left.network.overlaps(right.network)


def _twice(values: Iterable[object]) -> str:
    """The first value that comes a second time, as text; empty if none does."""
    seen: set[object] = set()
    for value in values:
        if value in seen:
            return str(value)
        seen.add(value)
    return ""


def load_node(path: str | Path) -> Node:
    """The model in a YAML file. Raises LabwrightError (config) with file, line and key of every mistake."""
    return read_document(
        Path(path), Node, absent="mend the name, or write the model of the node there", help_=HELP
    ).value


def node(data: Mapping[str, Any] | Node) -> Node:
    """The model from plain values, such as Ansible's variables. Raises KitError (config)."""
    if isinstance(data, Node):
        return data
    try:
        return Node.model_validate(_tuples(data))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        said = [
            f"{'.'.join(map(str, each['loc'])) or 'the model'}: {each['msg'].removeprefix('Value error, ')}"
            for each in found
        ]
        raise KitError(said[0], cause=Cause.CONFIG, details=said[1:], hint=HELP) from None


def _tuples(value: Any) -> Any:
    """Lists as tuples; texts and keys as they are, whatever kind of text Ansible makes of them."""
    if isinstance(value, Mapping):
        return {str(key): _tuples(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_tuples(each) for each in value)
    return str(value) if isinstance(value, str) else value
