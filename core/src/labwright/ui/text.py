"""Numbers made easy to read."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds in words: 0.4 s, 12 s, 6 min 40 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"


def size(count: float) -> str:
    """Bytes in words, in powers of 1000."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit != "MB" else f"{count:.1f} MB"
        count /= 1000
    return f"{count:.1f} GB"
