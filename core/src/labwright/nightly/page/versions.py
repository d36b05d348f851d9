"""Which of two versions is the later one, in the order of the package manager that they come from."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Literal

Order = Literal["deb", "rpm", ""]
"""Whose order holds for an image's packages; empty: nobody knows, and nothing is said of later and earlier."""
DIGITS = re.compile(r"[0-9]+")
RPM_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")


def compare(order: Order, one: str, two: str) -> int | None:
    """Negative, 0 or positive as the first is earlier, as good as the second, or later; None where nobody knows."""
    comparison = COMPARISONS.get(order)
    return comparison(one, two) if comparison else None


def compare_deb(one: str, two: str) -> int:
    """dpkg's order: epoch, upstream version, revision (deb-version(7), Sorting algorithm)."""
    (epoch, version, revision), (other_epoch, other_version, other_revision) = _parts(one), _parts(two)
    return (
        _sign(epoch, other_epoch) or _compare_deb_part(version, other_version)
        or _compare_deb_part(revision, other_revision)
    )  # fmt: skip


def _parts(label: str) -> tuple[int, str, str]:
    """Epoch, version, and revision or release: both systems write them alike."""
    epoch, colon, rest = label.partition(":")
    if not colon:
        epoch, rest = "0", label
    version, dash, release = rest.rpartition("-")
    return _number(epoch), version if dash else rest, release if dash else ""


def _compare_deb_part(one: str, two: str) -> int:
    """In turns what is no number, by its signs, and what is one, by its value."""
    while one or two:
        (text, number, one), (other_text, other_number, two) = _deb_step(one), _deb_step(two)
        signs = zip_longest(map(_deb_weight, text), map(_deb_weight, other_text), fillvalue=0)
        found = next((_sign(ours, theirs) for ours, theirs in signs if ours != theirs), 0) or _sign(
            number, other_number
        )
        if found:
            return found
    return 0


def _deb_step(text: str) -> tuple[str, int, str]:
    found = DIGITS.search(text)
    if not found:
        return text, 0, ""
    return text[: found.start()], _number(found[0]), text[found.end() :]


def _deb_weight(sign: str) -> int:
    """~ before the end, the end before letters, letters before all else."""
    if sign == "~":
        return -1
    return ord(sign) if sign.isalpha() else ord(sign) + 0x110000


def compare_rpm(one: str, two: str) -> int:
    """rpm's order: epoch, version, release (rpm-version(7))."""
    (epoch, version, release), (other_epoch, other_version, other_release) = _parts(one), _parts(two)
    found = _sign(epoch, other_epoch) or _compare_rpm_part(version, other_version)
    # A label without a release equals one with any.
    return found or (_compare_rpm_part(release, other_release) if release and other_release else 0)


def _compare_rpm_part(one: str, two: str) -> int:
    """Segment by segment: ~ is before the end, ^ after it and before all else, numbers after letters."""
    for ours, theirs in zip_longest(RPM_SEGMENT.findall(one), RPM_SEGMENT.findall(two), fillvalue=""):
        found = _sign(_rpm_weight(ours), _rpm_weight(theirs))
        if not found and ours.isdecimal():
            found = _sign(_number(ours), _number(theirs))
        elif not found:
            found = (ours > theirs) - (ours < theirs)
        if found:
            return found
    return 0


def _rpm_weight(segment: str) -> int:
    if not segment:
        return 0
    return {"~": -1, "^": 1}.get(segment, 3 if segment[0].isdecimal() else 2)


def _number(digits: str) -> int:
    """Long ones are no versions, and slow to read: the first thousand digits decide."""
    return int(digits[:1000]) if digits.isascii() and digits.isdecimal() else 0


def _sign(one: int, two: int) -> int:
    return (one > two) - (one < two)


COMPARISONS: dict[str, Callable[[str, str], int]] = {"deb": compare_deb, "rpm": compare_rpm}
