"""Junos's configuration as XML, which NAPALM merges. By its documentation; no Junos was asked."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from labwright.errors import Cause
from labwright.kit.errors import KitError
from labwright.kit.model import Bgp, Ospf, Port
from labwright.kit.rendering.named import Named

LINK_HEADER = 14
"""Bytes of Ethernet's header: Junos counts them in an interface's MTU."""
POLICY = "labwright-networks"


def render(named: Named) -> str:
    """A whole <configuration>."""
    inside = [*_hostname(named), *_interfaces(named), *_routing(named)]
    return "\n".join(["<configuration>", *inside, *_raw(named), "</configuration>", ""])


def _tag(name: str, *inside: str) -> str:
    return f"<{name}>{''.join(inside)}</{name}>"


def _leaf(name: str, value: object) -> str:
    return f"<{name}>{escape(str(value))}</{name}>"


def _hostname(named: Named) -> list[str]:
    return [_tag("system", _leaf("host-name", named.node.hostname))] if named.node.hostname else []


def _interfaces(named: Named) -> list[str]:
    found = [_port(named, port) for port in named.node.ports]
    if named.node.loopbacks:
        units = [_unit(port.loopback or 0, port, port.description) for port in named.node.loopbacks]
        found.append(_tag("interface", _leaf("name", "lo0"), *units))
    return ["<interfaces>", *found, "</interfaces>"] if found else []


def _port(named: Named, port: Port) -> str:
    return _tag(
        "interface",
        _leaf("name", named.name(port)),
        *([_leaf("description", port.description)] if port.description else []),
        *([] if port.enabled else ["<disable/>"]),
        *([_leaf("mtu", port.mtu + LINK_HEADER)] if port.mtu else []),
        _unit(0, port, ""),
    )


def _unit(number: int, port: Port, description: str) -> str:
    families = [
        _tag(family, *(_tag("address", _leaf("name", each)) for each in addresses))
        for family, addresses in (("inet", port.ipv4), ("inet6", port.ipv6))
        if addresses
    ]
    said = [_leaf("description", description)] if description else []
    return _tag("unit", _leaf("name", number), *said, *([_tag("family", *families)] if families else []))


def _routing(named: Named) -> list[str]:
    node = named.node
    protocols = [*([_bgp(node.bgp)] if node.bgp else []), *([_ospf(named, node.ospf)] if node.ospf else [])]
    if not protocols:
        return []
    router_id = next((found for each in (node.bgp, node.ospf) if each and (found := node.router_id(each))), None)
    options = [_leaf("router-id", router_id)] if router_id else []
    options += [_tag("autonomous-system", _leaf("as-number", node.bgp.asn))] if node.bgp else []
    lines = [_tag("routing-options", *options)] if options else []
    lines += [_policy(node.bgp)] if node.bgp and node.bgp.networks else []
    return [*lines, "<protocols>", *protocols, "</protocols>"]


def _bgp(bgp: Bgp) -> str:
    export = [_leaf("export", POLICY)] if bgp.networks else []
    groups = []
    for kind, neighbors in (
        ("external", [each for each in bgp.neighbors if each.remote_as != bgp.asn]),
        ("internal", [each for each in bgp.neighbors if each.remote_as == bgp.asn]),
    ):
        for version in (4, 6):
            found = [each for each in neighbors if each.version == version]
            peers = [
                _tag(
                    "neighbor",
                    _leaf("name", each.peer),
                    *([_leaf("description", each.description)] if each.description else []),
                    *([_leaf("peer-as", each.remote_as)] if kind == "external" else []),
                )
                for each in found
            ]
            name = _leaf("name", f"labwright-{kind}-{version}")
            family = _tag("family", _tag("inet6" if version == 6 else "inet", "<unicast/>"))
            groups += [_tag("group", name, _leaf("type", kind), family, *export, *peers)] if peers else []
    return _tag("bgp", *groups)


def _policy(bgp: Bgp) -> str:
    """Junos announces what a policy says, and has no `network` of other systems."""
    filters = [_tag("route-filter", _leaf("address", prefix), "<exact/>") for prefix in bgp.networks]
    terms = [
        _tag(
            "term", _leaf("name", f"inet{version}"),
            _tag("from", _leaf("family", "inet6" if version == 6 else "inet"), *chosen), _tag("then", "<accept/>"),
        )
        for version in (4, 6)
        if (chosen := [one for prefix, one in zip(bgp.networks, filters, strict=True)
                       if prefix in bgp.prefixes(version)])
    ]  # fmt: skip
    return _tag("policy-options", _tag("policy-statement", _leaf("name", POLICY), *terms))


def _ospf(named: Named, ospf: Ospf) -> str:
    areas = []
    for area in ospf.areas:
        members = []
        for port in named.all:
            if named.node.area_of(port) != area:
                continue
            unit = named.name(port) if port.index is None else f"{named.name(port)}.0"
            members.append(_tag("interface", _leaf("name", unit), *(["<passive/>"] if port.index is None else [])))
        areas.append(_tag("area", _leaf("name", area), *members))
    return _tag("ospf", *areas)


def _raw(named: Named) -> list[str]:
    """XML of the author's own. Refused unless the whole is still one document: no declarations, no entities."""
    if not named.raw:
        return []
    try:
        if re.search(r"<[!?]", named.raw):
            raise ValueError("declarations and processing instructions are not allowed")
        ElementTree.fromstring(f"<configuration>{named.raw}</configuration>")  # noqa: S314 - nothing is declared in it
    except (ElementTree.ParseError, ValueError) as error:
        raise KitError(
            f"raw.junos is not XML: {error}", cause=Cause.CONFIG, hint="write the elements inside of <configuration>"
        ) from None
    return [named.raw.strip()]


PARTS = {
    "hostname": lambda named: "".join(f"{line}\n" for line in _hostname(named)),
    "interfaces": lambda named: "".join(f"{line}\n" for line in _interfaces(named)),
    "routing": lambda named: "".join(f"{line}\n" for line in _routing(named)),
    "raw": lambda named: "".join(f"{line}\n" for line in _raw(named)),
}
