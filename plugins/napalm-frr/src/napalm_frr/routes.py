"""NAPALM's view of the routing table. Pure functions, but for what asks BGP about its routes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from napalm_frr import bgp
from napalm_frr.device import Device, understood

Json = Mapping[str, Any]
Routes = dict[str, list[dict[str, Any]]]

# Each needs a question of its own; a whole Internet table has a million of them.
MOST_ASKED = 100
SAME = {"direct": "connected", "bgp4": "bgp", "ospf3": "ospf6"}
UNITS = {"y": 31536000, "w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}


def route_to(device: Device, destination: str, protocol: str, longer: bool) -> Routes:
    """Routes of all VRFs. destination: a prefix, exactly; an address, its best match; empty: all.

    Attributes of BGP are there for the first MOST_ASKED prefixes. Raises ValueError for what is no destination.
    """
    wanted = SAME.get(protocol.lower(), protocol.lower())
    found: Routes = {}
    for family in families(destination):
        shown = device.show_json(command(family, destination, longer))
        for prefix, routes in understood(routes_of, shown, wanted).items():
            found.setdefault(prefix, []).extend(routes)
    _ask_bgp(device, found)
    return found


def families(destination: str) -> tuple[str, ...]:
    """`ip`, `ipv6` or both, as FRR calls them. Raises ValueError."""
    if not destination:
        return ("ip", "ipv6")
    try:
        network = ipaddress.ip_network(destination, strict=False)
    except ValueError:
        raise ValueError(f"get_route_to: neither an address nor a prefix: {destination!r}") from None
    return ("ipv6",) if network.version == 6 else ("ip",)


def command(family: str, destination: str, longer: bool) -> str:
    """FRR's words for it. `longer-prefixes` wants a prefix, so an address becomes one."""
    if not destination:
        return f"show {family} route vrf all json"
    if longer:
        return f"show {family} route vrf all {ipaddress.ip_network(destination, strict=False)} longer-prefixes json"
    plain = ipaddress.ip_network(destination, strict=False) if "/" in destination else destination
    return f"show {family} route vrf all {plain} json"


def routes_of(shown: Json, protocol: str) -> Routes:
    """By prefix; protocol: only those of one, or empty for all."""
    found: Routes = {}
    for prefix, entry in entries(shown):
        if protocol in ("", str(entry.get("protocol", "")).lower()):
            found.setdefault(prefix, []).extend(hops(entry))
    return found


def entries(shown: Json) -> Iterator[tuple[str, Json]]:
    """Prefix and entry, whether the table of each VRF is a document of its own (8.4) or a member (newer)."""
    for name, value in shown.items():
        if isinstance(value, dict):
            yield from entries(value)
        elif isinstance(value, list):
            yield from ((name, entry) for entry in value if isinstance(entry, dict))


def hops(entry: Json) -> Iterator[dict[str, Any]]:
    """One route for each next hop; one without a next hop (blackhole) has an empty one."""
    installed = bool(entry.get("installed"))
    for hop in entry.get("nexthops") or [{}]:
        active = bool(entry.get("selected")) and installed
        yield {
            "protocol": str(entry.get("protocol", "")),
            "current_active": active,
            "last_active": active,
            "age": seconds(str(entry.get("uptime", ""))),
            "next_hop": str(hop.get("ip", "")),
            "outgoing_interface": str(hop.get("interfaceName", "")),
            "selected_next_hop": bool(hop.get("fib") or (hop.get("active") and active)),
            "preference": int(entry.get("distance", 0)),
            "inactive_reason": "" if active else "not selected" if not entry.get("selected") else "not installed",
            "routing_table": str(entry.get("vrfName", "default")),
            "protocol_attributes": {},
        }


def seconds(uptime: str) -> int:
    """FRR's age of a route: `00:01:02`, `1d02h03m`, `02w3d04h`, `01y02w3d`; -1 for anything else."""
    if clock := re.fullmatch(r"(\d+):(\d\d):(\d\d)", uptime):
        hours, minutes, rest = map(int, clock.groups())
        return hours * 3600 + minutes * 60 + rest
    if not re.fullmatch(r"(\d+[ywdhms])+", uptime):
        return -1
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([ywdhms])", uptime))


def _ask_bgp(device: Device, routes: Routes) -> None:
    asked = [
        (prefix, vrf)
        for prefix, found in routes.items()
        for vrf in {one["routing_table"] for one in found if one["protocol"] == "bgp"}
    ]
    if not asked:
        return
    systems = understood(own_systems, device.show_bgp("show bgp vrf all summary json"))
    for prefix, vrf in asked[:MOST_ASKED]:
        family = "ipv6" if ":" in prefix else "ipv4"
        where = "" if vrf == "default" else f"vrf {vrf} "
        shown = device.show_bgp(f"show bgp {where}{family} unicast {prefix} json")
        attributes = understood(bgp.paths, shown, systems.get(vrf, 0))
        for route in routes[prefix]:
            if route["protocol"] == "bgp" and route["routing_table"] == vrf:
                route["protocol_attributes"] = attributes.get(route["next_hop"], {})


def own_systems(summary: Json) -> dict[str, int]:
    """The number of our own system in each VRF."""
    return {
        vrf: next((int(one["as"]) for one in shown.values() if isinstance(one, dict) and "as" in one), 0)
        for vrf, shown in summary.items()
        if isinstance(shown, dict)
    }
