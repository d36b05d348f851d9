"""The container's interfaces for data: net1, net2 ... as Multus calls them, or those that the environment names."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.publish.platform.start.relay import Relay, open_interface

SYSFS = Path("/sys/class/net")
DATA = re.compile(r"net([1-9][0-9]?)")
NAMED_SECONDS, FOUND_SECONDS = 60.0, 3.0
"""Seconds for interfaces that are named, and for as many as the image has where none is: it may have no cables."""
STEP = 0.1


@dataclass(frozen=True)
class Link:
    """A cable of the device. number: of its data interface, from 1; end: what QEMU inherits; size: MTU in bytes."""

    number: int
    relay: Relay
    end: socket.socket
    size: int


def wait_for(
    named: Sequence[str], expected: int, seconds: float | None, present: Callable[[], Sequence[str]]
) -> dict[int, str]:
    """The interfaces that are there in time, by number. expected: how many the image has."""
    limit = seconds if seconds is not None else NAMED_SECONDS if named else FOUND_SECONDS
    deadline = time.monotonic() + limit
    while True:
        found = _numbered(named, present())
        if len(found) >= (len(named) or expected) or time.monotonic() > deadline:
            return found
        time.sleep(STEP)


def _numbered(named: Sequence[str], present: Sequence[str]) -> dict[int, str]:
    if named:
        return {number: name for number, name in enumerate(named, start=1) if name in present}
    matches = (DATA.fullmatch(name) for name in present)
    return {int(found[1]): found[0] for found in sorted(filter(None, matches), key=lambda found: int(found[1]))}


def present() -> Sequence[str]:
    """The interfaces of this network namespace."""
    return [name for _, name in socket.if_nameindex()]


def size_of(name: str) -> int:
    """An interface's MTU; Ethernet's where the kernel does not say."""
    try:
        return min(int((SYSFS / name / "mtu").read_text()), 65535)
    except (OSError, ValueError):
        return 1500


def connect(number: int, name: str) -> Link:
    """A cable between an interface and a machine that is yet to be started. Raises OSError."""
    wire = open_interface(name)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return Link(number, Relay(name, wire, ours), theirs, size_of(name))
