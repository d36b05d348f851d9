"""Seconds and bytes in words, the same for a terminal and a page."""

from __future__ import annotations

LARGEST = 1e15
MINUTE, HOUR = 60, 3600


def finite(number: object) -> float:
    """A number from outside that can be reckoned with: 0 for what is none, is negative or too large."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return 0.0
    # Adding 0 makes a 0 of a negative one.
    return float(number) + 0.0 if 0 <= number <= LARGEST else 0.0


def duration(seconds: float) -> str:
    """Seconds in words: 0.4 s, 12 s, 6 min 40 s, 1 h 12 min."""
    seconds = finite(seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE:02} min"


def size(count: float) -> str:
    """Bytes in words, in powers of 1000."""
    count = finite(count)
    for unit in ("B", "kB"):
        if count < 999.5:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} MB" if count < 999.95 else f"{count / 1000:.1f} GB"
