"""What an earlier model put on a machine, and what of that no manager of interfaces takes away by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labwright.kit.interfaces import Interface

if TYPE_CHECKING:
    from labwright.kit.host import Host

MTU = 1500
"""Of Ethernet: what an interface has that no model gives another one."""
EVERY_LOOPBACK = frozenset({"127.0.0.1/8", "::1/128"})


@dataclass(frozen=True)
class Traces:
    """Where to find them in files of ours. loopback: pattern of a line with an address of lo. mtu: of one that sets an
    MTU, with the interface's name where the file is for several.
    """

    loopback: str
    mtu: str


@dataclass(frozen=True)
class Former:
    """loopbacks: addresses on lo. mtus: the names of interfaces that were given an MTU."""

    loopbacks: frozenset[str]
    mtus: frozenset[str]

    def __sub__(self, other: Former) -> Former:
        return Former(self.loopbacks - other.loopbacks, self.mtus - other.mtus)

    def left(self, now: Mapping[str, Interface]) -> Former:
        """What of it is still there."""
        lo = now["lo"].addresses if "lo" in now else ()
        odd = (name for name in self.mtus if name in now and now[name].mtu != MTU)
        return Former(self.loopbacks.intersection(lo), frozenset(odd))

    def take_away(self, host: Host) -> list[str]:
        """Remove it; the interfaces that changed. Never by taking one down. Raises KitError."""
        for address in sorted(self.loopbacks):
            host.sudo(["ip", "address", "del", address, "dev", "lo"])
        for name in sorted(self.mtus):
            host.sudo(["ip", "link", "set", "dev", name, "mtu", str(MTU)])
        return [*(["lo"] if self.loopbacks else []), *sorted(self.mtus)]


def interface_of(place: str) -> str:
    """The interface that a file of ours is for; empty where it is for several, or has what an author wrote."""
    found = re.search(r"/(?:05-)?labwright-(.+)\.(?:network|nmconnection)$", place)
    return found[1] if found and found[1] != "raw" else ""


def read_files(host: Host, pattern: str) -> dict[str, str]:
    """The files that a pattern of shell names, by their places. Raises KitError."""
    # A line each, for which grep says the file: texts that follow each other could not be told apart.
    said = host.sudo(f"grep -sH '' {pattern} /dev/null || :").output
    found: dict[str, str] = {}
    for line in said.splitlines():
        place, _, text = line.partition(":")
        found[place] = found.get(place, "") + text + "\n"
    return found


def former(files: Mapping[str, str], traces: Traces) -> Former:
    """What these files put on a machine."""
    loopbacks: set[str] = set()
    mtus: set[str] = set()
    for place, text in files.items():
        name = interface_of(place)
        if name in {"", "lo"}:
            loopbacks.update(re.findall(traces.loopback, text, re.M))
        for found in re.finditer(traces.mtu, text, re.M):
            mtus.add(found[1] if found.groups() else name)
    return Former(frozenset(loopbacks) - EVERY_LOOPBACK, frozenset(mtus) - {""})
