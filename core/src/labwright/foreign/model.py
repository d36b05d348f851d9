"""The limits for an image from outside, and what is known of it once it was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labwright.errors import Cause, LabwrightError

GIB = 1 << 30
FLOOR = 256 << 20
"""Bytes that any file may unpack to, whatever the ratio: an almost empty disk of this size packs to nearly nothing."""


@dataclass(frozen=True)
class Limits:
    """What an image may cost. virtual_size: bytes of its disk. ratio: bytes that come out for each that is in the file.

    seconds: for each program that works on it.
    """

    virtual_size: int = 256 * GIB
    ratio: float = 200.0
    seconds: float = 3600.0

    def unpacked(self, packed: int) -> int:
        """The bytes that a file of this many bytes may unpack to."""
        return max(FLOOR, int(packed * self.ratio))


@dataclass(frozen=True)
class Found:
    """What a file is. format: QEMU's name of it, or "tar". wrapped: what it is in, the outermost first.

    virtual_size: bytes of the disk, 0 where only unpacking shows it.
    """

    path: Path
    kind: Literal["disk", "tree"]
    format: str
    wrapped: tuple[str, ...]
    virtual_size: int


def refusal(name: object, why: str, remedy: str) -> LabwrightError:
    """The error for a file that is not taken: its name, the reason, the remedy."""
    return LabwrightError(f"{name} is refused: {why}", cause=Cause.CONFIG, hint=remedy)


def in_words(count: int) -> str:
    """Bytes in words, in powers of 1024: 512 bytes, 64 KiB, 1.5 GiB."""
    for shift, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << shift:
            return f"{count / (1 << shift):.4g} {unit}"
    return f"{count} bytes"
