"""How large a lesson may be to run, whatever its images: what `up` refuses, and `validate` finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from labwright.spec.document import Location
from labwright.spec.lesson import LessonBody

MOST_ENDPOINTS = 100
MOST_INTERFACES = 24
"""On the PCI bus of a machine, beside what else is on its 32 seats."""
LARGEST = 256 << 20
"""Bytes of a lesson's files: they are put on the disk of every machine of it."""
DEEPEST = 100
"""Folders in each other."""


@dataclass(frozen=True)
class Excess:
    """What there is too much of. place: in lesson.meta.yaml."""

    place: Location
    what: str
    hint: str


def excesses(spec: LessonBody) -> Iterator[Excess]:
    """Of endpoints, and of cables on each."""
    if len(spec.endpoints) > MOST_ENDPOINTS:
        what = f"there are {len(spec.endpoints)} endpoints, and a lab has at most {MOST_ENDPOINTS}"
        yield Excess(("endpoints", MOST_ENDPOINTS), what, "split the lesson")
    used = Counter(name for connection in spec.connections for name in (connection.a, connection.b))
    for index, endpoint in enumerate(spec.endpoints):
        if used[endpoint.name] > MOST_INTERFACES:
            yield cables(index, endpoint.name, used[endpoint.name])


def cables(index: int, name: str, count: int) -> Excess:
    """An endpoint with more interfaces than it has room for."""
    what = f"{name} has {count} cables, and a machine has room for {MOST_INTERFACES}"
    return Excess(("endpoints", index), what, "put a switch between: an endpoint of its own")
