"""Unix sockets of other processes."""

from __future__ import annotations

from pathlib import Path

TABLE = Path("/proc/self/net/unix")
ACCEPTS = 0x10000
"""The flag of a socket that listens, __SO_ACCEPTCON in the kernel's linux/net.h; proc(5) describes the table."""


def listens(path: Path) -> bool:
    """Whether a socket that was bound as this absolute path takes connections.

    Its name is there a moment before that: to see the name is not enough, and to connect would take the one place
    that QEMU has on some of its sockets.
    """
    for line in TABLE.read_text(encoding="utf-8", errors="surrogateescape").splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[7] == str(path) and int(fields[3], 16) & ACCEPTS:
            return True
    return False
