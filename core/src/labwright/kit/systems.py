"""The systems that the model is rendered for: how they call their interfaces. Data, with no library behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labwright.errors import Cause
from labwright.kit.errors import KitError

ANY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,39}")
LINUX_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
"""The kernel's limit is 15 bytes without a slash; a colon would be an alias (ip-link(8))."""


@dataclass(frozen=True)
class System:
    """How a system calls its interfaces.

    port: the name of a data interface, from its index. loopback: of a loopback, from its number. step, first: the
    number in the name is first + step * (index - 1). refused: signs that it misreads in a description. names: what real
    names look like.
    """

    port: str
    loopback: str
    first: int = 1
    step: int = 1
    refused: str = ""
    names: re.Pattern[str] = ANY_NAME

    def port_name(self, index: int) -> str:
        """The name of a data interface, by default."""
        return self.port.format(self.first + self.step * (index - 1))


LINUX = System("eth{}", "lo", names=LINUX_NAME)
SYSTEMS: Mapping[str, System] = {
    "ifupdown": LINUX,
    "networkd": LINUX,
    "networkmanager": LINUX,
    "frr": System("eth{}", "lo", refused="|", names=LINUX_NAME),
    "junos": System("ge-0/0/{}", "lo0.{}", first=0),
    "eos": System("Ethernet{}", "Loopback{}", refused="|"),
    "ios": System("GigabitEthernet0/{}", "Loopback{}", refused="|"),
    "nxos": System("Ethernet1/{}", "loopback{}", refused="|<>"),
    "nxos-json": System("Ethernet1/{}", "loopback{}", refused="|<>"),
}
"""A pipe ends a command on EOS, IOS, NX-OS and in vtysh (seen in FRR 8.4); NX-OS sends output to files by < and >."""
NAMES_ONLY: Mapping[str, System] = {
    "cumulus": System("swp{}", "lo"),
    "iosxr": System("GigabitEthernet0/0/0/{}", "Loopback{}", first=0),
    "sonic": System("Ethernet{}", "Loopback{}", first=0, step=4),
    "vyos": System("eth{}", "lo"),
}
"""Those whose names we know and whose configuration we do not render."""
Names = Sequence[str] | Mapping[int, str] | None


def system(name: str) -> System:
    """One of them. Raises KitError (config)."""
    if name not in SYSTEMS:
        raise KitError(f"{name!r} is no system", cause=Cause.CONFIG, hint=f"one of {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def interface_name(system_name: str, index: int, names: Names = None) -> str:
    """How a system calls the interface with an index. names: the real ones, by index from 1. Raises KitError."""
    if isinstance(names, str):
        raise KitError(f"the names of interfaces are a list, not the text {names!r}", cause=Cause.CONFIG)
    if names is not None:
        known = names if isinstance(names, Mapping) else dict(enumerate(names, 1))
        if index not in known:
            raise KitError(
                f"interface {index} has no name", cause=Cause.CONFIG, hint=f"names are given for {sorted(known)}"
            )
        return known[index]
    found = NAMES_ONLY.get(system_name) or system(system_name)
    return found.port_name(index)
