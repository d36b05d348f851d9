"""The topology of a lesson as a drawing: a pure function from its description to SVG."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from labwright.host.text import plain
from labwright.spec.lesson import Connection, EndpointSpec, LessonSpec

CHARACTER, HEIGHT, LABEL = 7.6, 44.0, 18.0
"""Width of a character, heights of a box and of a label, in pixels; a typeface is not to be measured here."""
SPACE, MARGIN = 90.0, 24.0
"""Pixels between boxes that are connected, beside a subnet, and around the whole."""
BEND = 46.0
"""Pixels between the middles of two links of the same endpoints."""
CROWDED = 300
"""Labels and boxes; with more of them nobody reads the drawing, and looking for room takes too long."""
LONGEST = 40
"""Characters of a text; the rest is cut off."""
# Every text stands on a shape of a colour of its own, so that the drawing reads on a light and on a dark page.
STYLE = """
text { font: 12px ui-monospace, Menlo, Consolas, monospace; text-anchor: middle; dominant-baseline: central }
.box { fill: #f8fafc; stroke: #475569; stroke-width: 1.5 } .name { fill: #0f172a; font-weight: bold }
.image, .subnet { fill: #475569 } .link { fill: none; stroke: #7c8798; stroke-width: 2 }
.label { fill: #f1f5f9; stroke: #94a3b8 } .interface { fill: #0f172a }
"""

Point = tuple[float, float]


@dataclass(frozen=True)
class Link:
    """A cable. a_interface, b_interface: number of the interface at that end, from 1; the management one is none."""

    a: str
    a_interface: int
    b: str
    b_interface: int
    subnet: str | None


@dataclass(frozen=True)
class Area:
    """A rectangle: its middle and its size in pixels."""

    at: Point
    width: float
    height: float

    def overlaps(self, other: Area) -> bool:
        """Whether both cover something."""
        return (
            abs(self.at[0] - other.at[0]) < (self.width + other.width) / 2
            and abs(self.at[1] - other.at[1]) < (self.height + other.height) / 2
        )


@dataclass(frozen=True)
class Curve:
    """A link's line: a quadratic Bézier curve, straight where `pull` is in the middle."""

    start: Point
    pull: Point
    end: Point

    def at(self, share: float) -> Point:
        """The point after a share of the way, 0 to 1."""
        one, two, three = (1 - share) ** 2, 2 * share * (1 - share), share**2
        return (
            one * self.start[0] + two * self.pull[0] + three * self.end[0],
            one * self.start[1] + two * self.pull[1] + three * self.end[1],
        )


@dataclass(frozen=True)
class Box:
    """An endpoint in the drawing: its middle and its width in pixels."""

    at: Point
    width: float
    endpoint: EndpointSpec

    @property
    def area(self) -> Area:
        """What it covers."""
        return Area(self.at, self.width, HEIGHT)


def links(connections: tuple[Connection, ...]) -> tuple[Link, ...]:
    """The cables with the interfaces that they are plugged into: an endpoint's first connection is its interface 1."""
    used: Counter[str] = Counter()
    found = []
    for each in connections:
        used[each.a] += 1
        a_interface = used[each.a]
        used[each.b] += 1
        found.append(Link(each.a, a_interface, each.b, used[each.b], each.subnet))
    return tuple(found)


def draw(spec: LessonSpec) -> str:
    """The endpoints and the links between them, as an SVG file; the management network is not drawn."""
    boxes = _boxes(spec)
    drawn = tuple(link for link in links(spec.connections) if {link.a, link.b} <= set(boxes))
    curves = [(link, _curve(boxes[link.a].at, boxes[link.b].at, aside)) for link, aside in _bends(drawn)]
    left, top, width, height = _frame(list(boxes.values()), drawn)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.0f} {top:.0f} {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" role="img">',
            f"<title>{_text(spec.name)}</title>",
            f"<style>{STYLE}</style>",
            *(_line(curve) for _, curve in curves),
            *(_box(box) for box in boxes.values()),
            *_labels(curves, [box.area for box in boxes.values()]),
            "</svg>\n",
        )
    )


def _frame(boxes: list[Box], drawn: tuple[Link, ...]) -> tuple[float, float, float, float]:
    """Left, top, width and height of all that is drawn."""
    most = max(Counter(frozenset((link.a, link.b)) for link in drawn).values(), default=0)
    around = MARGIN + BEND * most / 2
    left = min(box.at[0] - box.width / 2 for box in boxes) - around
    top = min(box.at[1] for box in boxes) - HEIGHT / 2 - around
    right = max(box.at[0] + box.width / 2 for box in boxes) + around
    bottom = max(box.at[1] for box in boxes) + HEIGHT / 2 + around
    return left, top, right - left, bottom - top


def _boxes(spec: LessonSpec) -> dict[str, Box]:
    """Every endpoint, by its name: those with connections on a circle, the others in a row below."""
    endpoints = {endpoint.name: endpoint for endpoint in spec.endpoints}
    order = _order(endpoints, spec.connections)
    widths = {
        name: CHARACTER * max(len(_cut(name)), len(_cut(endpoint.image)), 6) + 24
        for name, endpoint in endpoints.items()
    }
    apart = SPACE + max((_width(each.subnet or "") for each in spec.connections), default=0.0)
    places = _circle(order, max((widths[name] for name in order), default=0.0) + apart)
    alone = [name for name in endpoints if name not in places]
    below = max((y for _, y in places.values()), default=-HEIGHT) + HEIGHT + 2 * MARGIN
    x = -sum(widths[name] + MARGIN for name in alone) / 2
    for name in alone:
        places[name] = (x + (widths[name] + MARGIN) / 2, below)
        x += widths[name] + MARGIN
    return {name: Box(places[name], widths[name], endpoint) for name, endpoint in endpoints.items()}


def _order(endpoints: Mapping[str, EndpointSpec], connections: tuple[Connection, ...]) -> list[str]:
    """The connected endpoints, each after one that it is connected to where that can be, so that few links cross."""
    near: dict[str, list[str]] = {name: [] for name in endpoints}
    for each in connections:
        if each.a in near and each.b in near:
            near[each.a].append(each.b)
            near[each.b].append(each.a)
    order: dict[str, None] = {}
    # From an end of a chain, where there is one.
    for start in sorted((name for name in near if near[name]), key=lambda name: len(set(near[name]))):
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name not in order:
                order[name] = None
                waiting += [other for other in reversed(near[name]) if other not in order]
    return list(order)


def _circle(names: list[str], apart: float) -> dict[str, Point]:
    """Middles on a circle, neighbours so many pixels apart; two are side by side."""
    count = len(names)
    radius = apart / 2 / math.sin(math.pi / count) if count > 1 else 0.0
    start = math.pi if count == 2 else -math.pi / 2
    angles = [start + 2 * math.pi * index / max(count, 1) for index in range(count)]
    return {
        name: (radius * math.cos(angle), radius * math.sin(angle)) for name, angle in zip(names, angles, strict=True)
    }


def _bends(drawn: tuple[Link, ...]) -> Iterator[tuple[Link, float]]:
    """Each link with how far its middle is aside, so that links of the same endpoints do not cover each other."""
    pairs = Counter(frozenset((link.a, link.b)) for link in drawn)
    seen: Counter[frozenset[str]] = Counter()
    for link in drawn:
        pair = frozenset((link.a, link.b))
        aside = BEND * (seen[pair] - (pairs[pair] - 1) / 2)
        seen[pair] += 1
        # The ends may be written either way round; aside is to the same side for both.
        yield link, aside if link.a <= link.b else -aside


def _curve(a: Point, b: Point, aside: float) -> Curve:
    (ax, ay), (bx, by) = a, b
    length = math.hypot(bx - ax, by - ay) or 1.0
    across = (-(by - ay) / length, (bx - ax) / length)
    # A curve's middle is half as far aside as the point that pulls it.
    return Curve(a, ((ax + bx) / 2 + 2 * aside * across[0], (ay + by) / 2 + 2 * aside * across[1]), b)


def _line(curve: Curve) -> str:
    (ax, ay), (x, y), (bx, by) = curve.start, curve.pull, curve.end
    return f'<path class="link" d="M{ax:.1f} {ay:.1f} Q{x:.1f} {y:.1f} {bx:.1f} {by:.1f}"/>'


def _labels(curves: list[tuple[Link, Curve]], taken: list[Area]) -> Iterator[str]:
    """Interfaces at the ends of links and subnets in their middles, each on its line and on nothing else."""
    taken = list(taken)
    from_end = [step / 100 for step in range(50)]
    from_middle = sorted((step / 100 for step in range(20, 81)), key=lambda share: abs(share - 0.5))
    for link, curve in curves:
        texts = [
            (str(link.a_interface), "interface", from_end),
            (str(link.b_interface), "interface", [1 - share for share in from_end]),
        ]
        if link.subnet:
            texts.append((link.subnet, "subnet", from_middle))
        for text, kind, shares in texts:
            areas = [Area(curve.at(share), _width(text), LABEL) for share in shares]
            free = (area for area in areas if not any(area.overlaps(other) for other in taken))
            # Where there is no room anywhere, on the line is still better than not at all.
            area = areas[len(areas) // 2] if len(taken) > CROWDED else next(free, areas[len(areas) // 2])
            taken.append(area)
            yield _label(area, text, kind)


def _width(text: str) -> float:
    """Of a label."""
    return CHARACTER * len(_cut(text)) + 10


def _label(area: Area, text: str, kind: str) -> str:
    (x, y), width, height = area.at, area.width, area.height
    return (
        f'<rect class="label" x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.0f}" rx="{height / 2:.0f}"/>'
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{_text(text)}</text>'
    )


def _box(box: Box) -> str:
    (x, y), width = box.at, box.width
    return (
        f'<rect class="box" x="{x - width / 2:.1f}" y="{y - HEIGHT / 2:.1f}" width="{width:.1f}" '
        f'height="{HEIGHT:.0f}" rx="6"/>'
        f'<text class="name" x="{x:.1f}" y="{y - 9:.1f}">{_text(box.endpoint.name)}</text>'
        f'<text class="image" x="{x:.1f}" y="{y + 10:.1f}">{_text(box.endpoint.image)}</text>'
    )


def _text(text: str) -> str:
    return escape(_cut(text))


def _cut(text: str) -> str:
    """One line of what XML allows, which has no escape for the rest (XML 1.0, 2.2)."""
    text = re.sub(r"[\ufffe\uffff]", "", plain(" ".join(text.split())))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
