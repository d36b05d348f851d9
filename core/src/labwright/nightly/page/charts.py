"""Lines over nights as numbers of a drawing; the templates draw them, in SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from labwright.nightly.page.words import count

WIDTH, HEIGHT = 340, 170
LEFT, RIGHT, TOP, BOTTOM = 34, 330, 10, 134
"""Where the lines are; what is around them is for the axes."""
MARKS = 12
"""As many points have marks of their own; more would hide the line."""
SHAPES = 4
"""Kinds of line and mark; the templates have them."""
SPARK_WIDTH, SPARK_HEIGHT = 120, 28
STRIP_HEIGHT = 16

Point = tuple[int, float]
"""Number of a night, and a value."""


@dataclass(frozen=True)
class Series:
    """Values of one thing over nights, the oldest first."""

    name: str
    points: tuple[Point, ...]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Line:
    """One line. shape: which kind of line and mark. path: of an SVG. marks: x and y."""

    name: str
    shape: int
    path: str
    marks: tuple[tuple[float, float], ...]
    last: float


@dataclass(frozen=True)
class Tick:
    """A place on an axis and what is written there."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A drawing with axes. description: what it shows, for those who do not see it. rows: the same as a table."""

    title: str
    description: str
    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    rows: tuple[tuple[int, tuple[float, ...]], ...]


@dataclass(frozen=True)
class Spark:
    """A small line without axes, whose numbers stand beside it."""

    path: str
    x: float
    y: float


def chart(title: str, unit: str, series: Sequence[Series]) -> Chart | None:
    """Lines over nights; None where there are not two nights to be compared."""
    kept = [one for one in series if one.points][:SHAPES]
    nights = sorted({night for one in kept for night, _ in one.points})
    if len(nights) < 2:
        return None
    top = _ceiling(max(value for one in kept for _, value in one.points))
    first, last = nights[0], nights[-1]

    def place(point: Point) -> tuple[float, float]:
        x = LEFT + (point[0] - first) / (last - first) * (RIGHT - LEFT)
        return round(x, 1), round(BOTTOM - point[1] / top * (BOTTOM - TOP), 1)

    lines = []
    for shape, one in enumerate(kept):
        places = [place(point) for point in one.points]
        marks = places if len(places) <= MARKS else places[-1:]
        lines.append(Line(one.name, shape, _path(places), tuple(marks), one.last))
    values = [dict(one.points) for one in kept]
    return Chart(
        title=title,
        description=". ".join(_words(one, unit) for one in kept) + ".",
        lines=tuple(lines),
        across=tuple(Tick(place((night, 0))[0], str(night)) for night in _spread(first, last)),
        up=tuple(Tick(round(BOTTOM - part / 4 * (BOTTOM - TOP), 1), _label(top * part / 4)) for part in range(5)),
        rows=tuple((night, tuple(one.get(night, 0.0) for one in values)) for night in reversed(nights)),
    )


def spark(points: Sequence[Point]) -> Spark | None:
    """A small line between its own lowest and highest value; None where there are not two."""
    if len(points) < 2:
        return None
    values = [value for _, value in points]
    low, high = min(values), max(values)
    first, last = points[0][0], points[-1][0]

    def place(point: Point) -> tuple[float, float]:
        part = (point[1] - low) / (high - low) if high > low else 0.5
        across = (point[0] - first) / ((last - first) or 1)
        return round(3 + across * (SPARK_WIDTH - 6), 1), round(SPARK_HEIGHT - 4 - part * (SPARK_HEIGHT - 8), 1)

    places = [place(point) for point in points]
    return Spark(_path(places), *places[-1])


def strip(heights: Sequence[int], width: int = 4) -> str:
    """Bars side by side, as one path; a height of 0 leaves its place empty."""
    return "".join(
        f"M{index * width} {STRIP_HEIGHT - height}h{width - 1}v{height}h-{width - 1}z"
        for index, height in enumerate(heights)
        if height
    )


def _path(places: Sequence[tuple[float, float]]) -> str:
    """Through all places; those in the middle of a level stretch add nothing."""
    kept = [
        here for index, here in enumerate(places)
        if index in {0, len(places) - 1} or not places[index - 1][1] == here[1] == places[index + 1][1]
    ]  # fmt: skip
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in kept)


def _ceiling(value: float) -> float:
    """The top of an axis whose four parts have short numbers."""
    if value <= 0:
        return 4.0
    scale = 10.0 ** math.floor(math.log10(value / 4))
    return 4 * scale * next(step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 20) if 4 * scale * step >= value)


def _label(value: float) -> str:
    return f"{value:.10g}"


def _spread(first: int, last: int) -> list[int]:
    """At most five nights, evenly, the first and the last among them."""
    parts = min(4, last - first)
    return [first + round((last - first) * part / parts) for part in range(parts + 1)]


def _words(series: Series, unit: str) -> str:
    values = [value for _, value in series.points]
    return (
        f"{series.name}: {values[-1]:.1f} {unit} in night {series.points[-1][0]}; over "
        f"{count(len(values), 'night')} between {min(values):.1f} and {max(values):.1f} {unit}"
    )
