"""ping and traceroute of the device's own Linux, as NAPALM has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from napalm_frr.errors import words

# iputils lets an ordinary user send five in a second, and no faster.
INTERVAL_SECONDS = 0.2
PROBES = 3
# What traceroute sends at the same time.
SIMULTANEOUS = 16
LOST = "*"

NAME = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:_%-]{0,254}")


def checked(**names: str) -> None:
    """Raises ValueError for what is neither a name nor an address; nothing can pass for an option."""
    for what, name in names.items():
        if name and not NAME.fullmatch(name):
            raise ValueError(f"{what} is neither a name nor an address: {name!r}")


def in_vrf(vrf: str) -> list[str]:
    """The words before a command that shall run in a VRF."""
    return ["ip", "vrf", "exec", vrf] if vrf not in ("", "default", "global") else []


def ping_command(
    destination: str, sources: Sequence[str], ttl: int, timeout: int, size: int, count: int, vrf: str
) -> tuple[list[str], float]:
    """The words, and the seconds that it may take. sources: an interface, an address, both, or empty words."""
    for source in sources:
        checked(source=source)
    checked(destination=destination, vrf=vrf)
    options = [
        "-n", "-c", str(int(count)), "-i", str(INTERVAL_SECONDS), "-W", str(int(timeout)), "-s", str(int(size)),
        "-t", str(int(ttl)), *(word for source in sources if source for word in ("-I", source)),
    ]  # fmt: skip
    return [*in_vrf(vrf), "ping", *options, "--", destination], count * INTERVAL_SECONDS + timeout + 10


def ping(code: int, out: str, err: str, count: int) -> dict[str, Any]:
    """From the output of iputils or busybox; rtt: milliseconds. packet_loss: packets, as other drivers have it."""
    sent = re.search(r"(\d+) packets transmitted, (\d+) (?:packets )?received", out)
    if not sent or code not in (0, 1):
        return {"error": words(err or out)}
    transmitted, received = int(sent[1]), int(sent[2])
    rtt = re.search(r"min/avg/max(?:/mdev)? = ([\d.]+)/([\d.]+)/([\d.]+)(?:/([\d.]+))?", out)
    least, average, most, deviation = (number(one) for one in rtt.groups()) if rtt else (0.0, 0.0, 0.0, 0.0)
    replies = re.findall(r"bytes from ([^\s:]\S*?):? .*?time[=<]([\d.]+)", out)
    return {
        "success": {
            "probes_sent": transmitted,
            "packet_loss": max(0, transmitted - received),
            "rtt_min": least,
            "rtt_max": most,
            "rtt_avg": average,
            "rtt_stddev": deviation,
            "results": [{"ip_address": address, "rtt": number(time)} for address, time in replies[:count]],
        }
    }


def number(text: str | None) -> float:
    """A number as these tools print it; 0.0 for none, and for what only looks like one."""
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


def traceroute_command(destination: str, source: str, ttl: int, timeout: int, vrf: str) -> tuple[list[str], float]:
    """The words, and the seconds that it may take. Names are not resolved: in a lab each would cost a timeout."""
    checked(destination=destination, source=source, vrf=vrf)
    family = ["-6"] if ":" in destination else []
    options = [*family, "-n", "-q", str(PROBES), "-w", str(int(timeout)), "-m", str(int(ttl))]
    options += ["-s", source] if source else []
    return [*in_vrf(vrf), "traceroute", *options, destination], ttl * PROBES / SIMULTANEOUS * timeout + timeout + 10


def traceroute(code: int, out: str, err: str) -> dict[str, Any]:
    """From the output of Linux's traceroute; rtt: milliseconds, -1.0 with address `*` for a probe without an answer."""
    hops = {}
    for line in out.splitlines():
        if found := re.match(r"\s*(\d{1,4})\s+(\S.*)", line):
            probes = list(probes_of(found[2]))
            if probes:
                hops[int(found[1])] = {"probes": dict(enumerate(probes, 1))}
    return {"success": hops} if hops else {"error": words(err or out or f"traceroute ended with code {code}")}


def probes_of(text: str) -> list[dict[str, Any]]:
    """`192.0.2.1  0.5 ms !H *  192.0.2.9 (192.0.2.9)  1.5 ms`: an address holds until the next one."""
    found: list[dict[str, Any]] = []
    name = address = LOST
    pattern = re.compile(
        r"(?P<rtt>\d+(?:\.\d+)?)\s*ms\b|(?P<lost>\*)(?=\s|$)|!\S*"
        r"|(?P<name>[A-Za-z0-9][\w.:%-]*)(?:\s+\((?P<address>[0-9A-Fa-f.:]+(?:%\w+)?)\))?"
    )
    for item in pattern.finditer(text):
        if item["rtt"]:
            found.append({"rtt": number(item["rtt"]), "ip_address": address, "host_name": name})
        elif item["lost"]:
            found.append({"rtt": -1.0, "ip_address": LOST, "host_name": LOST})
        elif item["name"]:
            name, address = item["name"], item["address"] or item["name"]
    return found
