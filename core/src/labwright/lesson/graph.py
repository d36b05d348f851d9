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

CHARACTER, HEIGHT = 7.6, 44.0
"""Width of a character and height of a box, in pixels; a typeface is not to be measured here."""
SPACE, MARGIN = 130.0, 24.0
"""Pixels between boxes that are connected, where labels have to fit, and around the whole."""
BEND = 46.0
"""Pixels between the middles of two links of the same endpoints."""
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
class Box:
    """An endpoint in the drawing: its middle and its width in pixels."""

    at: Point
    width: float
    endpoint: EndpointSpec

    def edge(self, towards: Point, gap: float) -> Point:
        """The point `gap` pixels outside of the box on the way to another point."""
        (x, y), (dx, dy) = self.at, (towards[0] - self.at[0], towards[1] - self.at[1])
        length = math.hypot(dx, dy) or 1.0
        sides = [half / abs(way) for half, way in ((self.width / 2, dx), (HEIGHT / 2, dy)) if way]
        share = min(sides, default=0.0) + gap / length
        return x + dx * share, y + dy * share


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
    lines, labels = [], []
    for link, aside in _bends(drawn):
        line, texts = _link(link, boxes[link.a], boxes[link.b], aside)
        lines.append(line)
        labels += texts
    left, top, width, height = _frame(list(boxes.values()), drawn)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:.0f} {top:.0f} {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" role="img">',
            f"<title>{_text(spec.name)}</title>",
            f"<style>{STYLE}</style>",
            *lines,
            *(_box(box) for box in boxes.values()),
            *labels,
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
    places = _circle(order, max((widths[name] for name in order), default=0.0))
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


def _circle(names: list[str], widest: float) -> dict[str, Point]:
    """Middles on a circle on which neighbours have room between them; two are side by side."""
    count = len(names)
    radius = (widest + SPACE) / 2 / math.sin(math.pi / count) if count > 1 else 0.0
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


def _link(link: Link, a: Box, b: Box, aside: float) -> tuple[str, list[str]]:
    """A line, and the labels at its ends and in its middle."""
    (ax, ay), (bx, by) = a.at, b.at
    length = math.hypot(bx - ax, by - ay) or 1.0
    across = (-(by - ay) / length, (bx - ax) / length)
    middle = ((ax + bx) / 2 + aside * across[0], (ay + by) / 2 + aside * across[1])
    # A curve's middle is half as far aside as the point that pulls it.
    pull = ((ax + bx) / 2 + 2 * aside * across[0], (ay + by) / 2 + 2 * aside * across[1])
    line = f'<path class="link" d="M{ax:.1f} {ay:.1f} Q{pull[0]:.1f} {pull[1]:.1f} {bx:.1f} {by:.1f}"/>'
    ends = ((a.edge(pull, 16), str(link.a_interface)), (b.edge(pull, 16), str(link.b_interface)))
    labels = [_label(at, number, "interface") for at, number in ends]
    return line, [*labels, _label(middle, link.subnet, "subnet")] if link.subnet else labels


def _label(at: Point, text: str, kind: str) -> str:
    width = CHARACTER * len(_cut(text)) + 10
    return (
        f'<rect class="label" x="{at[0] - width / 2:.1f}" y="{at[1] - 9:.1f}" width="{width:.1f}" height="18" rx="9"/>'
        f'<text class="{kind}" x="{at[0]:.1f}" y="{at[1]:.1f}">{_text(text)}</text>'
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
    text = re.sub(r"[\ud800-\udfff\ufffe\uffff]", "", plain(" ".join(text.split())))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
