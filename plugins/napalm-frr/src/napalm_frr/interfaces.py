"""NAPALM's views of interfaces, neighbours at layer 2, and VRFs. Pure functions on what the device printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from napalm.base.exceptions import ConnectionException

from napalm_frr.device import clean
from napalm_frr.errors import message, printable

# What zebra shows for a link whose speed nobody knows (UINT32_MAX, zebra/interface.c).
SPEED_UNKNOWN = 4294967295
COUNTERS = ("errors", "discards", "octets", "unicast_packets", "multicast_packets", "broadcast_packets")

Json = Mapping[str, Any]


def version(text: str) -> dict[str, str]:
    """Version and host name from `show version`, of which FRR has no JSON: `FRRouting 8.4.4 (r1) on Linux(6.1.0).`

    The host name, and in old versions the rest of the line, may be absent. Raises ConnectionException.
    """
    found = re.search(r"^FRRouting[ \t]+(?P<version>\S+)(?:[ \t]+\((?P<hostname>[^()\s]*)\))?", text, re.MULTILINE)
    if not found:
        raise ConnectionException(message("`show version` is not FRR's.", text[:500]))
    return {"version": found["version"].rstrip("."), "hostname": found["hostname"] or ""}


def interfaces(shown: Json) -> dict[str, dict[str, Any]]:
    """From `show interface json`. speed: Mbit/s, -1.0 when unknown. last_flapped: always -1.0.

    FRR tells when a link came up in the device's local time without its zone, from which no age can be had.
    """
    return {
        name: {
            "is_up": one.get("operationalStatus") == "up",
            "is_enabled": one.get("administrativeStatus") == "up",
            "description": str(one.get("description") or one.get("OsDescription") or ""),
            "last_flapped": -1.0,
            "mtu": int(one.get("mtu", -1)),
            "speed": -1.0 if one.get("speed", SPEED_UNKNOWN) == SPEED_UNKNOWN else float(one["speed"]),
            "mac_address": str(one.get("hardwareAddress", "")).upper(),
        }
        for name, one in objects(shown)
    }


def addresses(shown: Json) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
    """From `show interface json`."""
    found: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    for name, one in objects(shown):
        for entry in one.get("ipAddresses", ()):
            address, _, length = str(entry.get("address", "")).partition("/")
            if length.isdigit():
                family = "ipv6" if ":" in address else "ipv4"
                found.setdefault(name, {}).setdefault(family, {})[address] = {"prefix_length": int(length)}
    return found


def counters(links: list[Json]) -> dict[str, dict[str, int]]:
    """From `ip -json -statistics link`. -1: what Linux does not count (broadcast; multicast that was sent)."""
    found = {}
    for link in links:
        one: dict[str, int] = {}
        for way in ("rx", "tx"):
            stats = link.get("stats64", {}).get(way, {})
            multicast = int(stats.get("multicast", 0)) if way == "rx" else 0
            values = (
                stats.get("errors", -1), stats.get("dropped", -1), stats.get("bytes", -1),
                stats.get("packets", -1) - multicast, multicast if way == "rx" else -1, -1,
            )  # fmt: skip
            one |= {f"{way}_{name}": int(value) for name, value in zip(COUNTERS, values, strict=True)}
        found[str(link.get("ifname", ""))] = one
    return found


def neighbours(entries: list[Json], interfaces_in: set[str] | None) -> list[dict[str, Any]]:
    """From `ip -json -statistics neigh`: those with a hardware address. age: seconds since it was last updated.

    interfaces_in: only those of these interfaces; None for all.
    """
    return [
        {
            "interface": str(entry.get("dev", "")),
            "mac": str(entry["lladdr"]).upper(),
            "ip": str(entry.get("dst", "")),
            "age": float(entry.get("updated", -1)),
            "state": str(next(iter(entry.get("state", ())), "")),
        }
        for entry in entries
        if "lladdr" in entry and (interfaces_in is None or entry.get("dev") in interfaces_in)
    ]


def in_vrf(shown: Json, vrf: str) -> set[str] | None:
    """The names of a VRF's interfaces; None, for all, when no VRF is named. `global` is the default VRF."""
    wanted = "default" if vrf == "global" else vrf
    return {name for name, one in objects(shown) if one.get("vrfName") == wanted} if vrf else None


def instances(shown: Json, vrfs: str, running: str) -> dict[str, dict[str, Any]]:
    """VRFs with their interfaces and route distinguishers.

    vrfs: `show vrf`, which has no JSON in 8.4: `vrf red id 5 table 10`, `vrf blue inactive (configured)`.
    running: the running configuration, the only place with all route distinguishers (`rd vpn export`, `rd`).
    """
    names = ["default", *(name for name in re.findall(r"^vrf (\S+)", vrfs, re.MULTILINE) if name != "default")]
    distinguishers = route_distinguishers(running)
    return {
        name: {
            "name": name,
            "type": "DEFAULT_INSTANCE" if name == "default" else "L3VRF",
            "state": {"route_distinguisher": distinguishers.get(name, "")},
            "interfaces": {"interface": {one: {} for one in sorted(in_vrf(shown, name) or ())}},
        }
        for name in names
    }


def route_distinguishers(running: str) -> dict[str, str]:
    """From the blocks `router bgp ... vrf NAME`."""
    found, vrf = {}, ""
    for line in running.splitlines():
        if not line.startswith((" ", "!")):
            block = re.match(r"router bgp \S+(?: vrf (\S+))?", line)
            vrf = (block[1] or "default") if block else ""
        elif vrf and (distinguisher := re.match(r"\s+rd (?:vpn export )?(\S+)\s*$", line)):
            found[vrf] = distinguisher[1]
    return found


def objects(shown: Json) -> Iterator[tuple[str, Json]]:
    """The members that are objects."""
    return ((name, one) for name, one in shown.items() if isinstance(one, dict))


def json_list(text: str, source: str) -> list[Json]:
    """What iproute2 printed as JSON; empty output is an empty list. Raises ConnectionException."""
    try:
        found = json.loads(text or "[]")
        if not isinstance(found, list):
            raise TypeError(f"a list was expected, not {type(found).__name__}")
    except (ValueError, TypeError, RecursionError) as error:
        what = f"The answer to `{source}` is not the JSON that was expected: {printable(str(error))}."
        raise ConnectionException(message(what, text[:500], "install the package iproute2 on the device")) from None
    return [clean(one) for one in found if isinstance(one, dict)]
