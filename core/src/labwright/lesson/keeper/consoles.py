"""What machines write to their serial ports is kept, but a guest must not fill the host's disk with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

LARGEST, KEPT = 32 << 20, 1 << 20
EVERY = 5.0


async def keep_small(consoles: Sequence[Path]) -> None:
    """For ever: where a file is too large all but its end goes. QEMU appends to it, so what it writes next is in it."""
    while True:
        await asyncio.sleep(EVERY)
        for console in consoles:
            with contextlib.suppress(OSError):
                if console.stat().st_size > LARGEST:
                    shorten(console)


def shorten(console: Path) -> None:
    """Keep the end. What is written meanwhile may be lost: a console that is flooded loses more by being read."""
    with console.open("r+b") as stream:
        stream.seek(-KEPT, os.SEEK_END)
        end = stream.read(KEPT)
        stream.truncate(0)
        stream.seek(0)
        stream.write(end)
