"""Unix sockets of other processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

TABLE = Path("/proc/self/net/unix")
ACCEPTS = 0x10000
"""The flag of a socket that listens, __SO_ACCEPTCON in the kernel's linux/net.h; proc(5) describes the table."""


def named(table: Path = TABLE) -> Iterator[tuple[str, int]]:
    """The path and the flags of every socket of a network that was bound as an absolute path. Raises OSError."""
    for line in table.read_bytes().splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[7].startswith(b"/"):
            yield os.fsdecode(fields[7]), int(fields[3], 16)


def listens(path: Path) -> bool:
    """Whether a socket that was bound as this absolute path takes connections.

    Its name is there a moment before that: to see the name is not enough, and to connect would take the one place
    that QEMU has on some of its sockets.
    """
    return any(name == str(path) and flags & ACCEPTS for name, flags in named())
