"""Numbers and names made fit to be read: no input makes them anything else than words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

from labwright.host.quantities import finite, size
from labwright.host.text import plain

NONCHARACTERS = re.compile(r"[\ufdd0-\ufdef]|[" + "".join(chr(plane << 16 | end) for plane in range(17)
                                                           for end in (0xFFFE, 0xFFFF)) + "]")  # fmt: skip
"""Code points that no HTML document may have (HTML, Preprocessing the input stream)."""


def clean(text: str) -> str:
    """Text without what a page must not have; carriage returns of progress bars become line feeds."""
    if text.isascii() and text.isprintable():
        return text
    return NONCHARACTERS.sub("", plain(text.replace("\r\n", "\n").replace("\r", "\n")))


def line(text: str, longest: int = 500) -> str:
    """One line of text, cut with a sign that it was."""
    one = " ".join(clean(text[: longest * 8]).split())
    return one if len(one) <= longest else f"{one[: longest - 1]}…"


def difference(count: float, words: str) -> str:
    """A change with its sign, in the words of its size; words: that size."""
    return words if not count else f"{'+' if count > 0 else '−'}{words}"  # noqa: RUF001 (the sign of a number)


def size_change(before: float, after: float) -> str:
    """How much more or less: +1.2 MB, −300 kB, no change."""  # noqa: RUF002
    return difference(after - before, size(abs(after - before))) if before != after else "no change"


def seconds_change(before: float, after: float) -> str:
    """How much slower or faster: +0.8 s, no change."""
    moved = round(after - before, 1)
    return difference(moved, f"{abs(moved):.1f} s") if moved else "no change"


def moment(seconds: float) -> datetime | None:
    """A time since 1970, in UTC; None where it is none, or no calendar has it."""
    try:
        return datetime.fromtimestamp(finite(seconds), UTC) if finite(seconds) else None
    except (ValueError, OverflowError, OSError):
        return None


def machine_time(seconds: float) -> str:
    """For the attribute of a time element; empty for none."""
    when = moment(seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ") if when else ""


def people_time(seconds: float) -> str:
    """For people: 27 Nov 2026, 02:00 UTC."""
    when = moment(seconds)
    if when is None:
        return "at an unknown time"
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][when.month - 1]
    return f"{when.day} {month} {when.year}, {when:%H:%M} UTC"


def count(number: int, one: str, many: str = "") -> str:
    """A number and its noun: 1 night, 2 nights."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(words: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def address(*parts: str) -> str:
    """A relative address of a file, whose parts cannot lead elsewhere: no scheme, no way up."""
    # Cleaned first: what is left of a step may be nothing, or a way up.
    steps = [step for part in parts for step in clean(part).split("/")]
    return quote("/".join(step for step in steps if step not in {"", ".", ".."}))
