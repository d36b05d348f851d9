"""What the index of nights says: a row a night, a trend an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labwright.host.quantities import size
from labwright.nightly.model import ImageState
from labwright.nightly.page.charts import Point, Spark, spark, strip
from labwright.nightly.page.history import ImageSummary, NightSummary
from labwright.nightly.page.images import anchor_of, first_firmware
from labwright.nightly.page.words import count, seconds_change, size_change

MOST_ROWS = 400
LEAST_NIGHTS, TREND_NIGHTS = 30, 90
HEIGHTS: dict[ImageState, int] = {"failed": 16, "skipped": 12, "built": 8, "unchanged": 4, "building": 2, "waiting": 2}
"""So that the strip of an image is read without its colours: what is wrong stands out."""


@dataclass(frozen=True)
class Row:
    """A night. size: of all images in service, and how much more than in the night before that is known."""

    night: NightSummary
    failed: tuple[str, ...]
    size: str
    size_change: str
    uploaded: str


@dataclass(frozen=True)
class Trend:
    """An image over nights. strips: a path for each state. words: what the drawings show."""

    slug: str
    anchor: str
    state: ImageState
    strips: tuple[tuple[ImageState, str], ...]
    strip_words: str
    size: Spark | None
    size_words: str
    size_range: str
    boot: Spark | None
    boot_words: str
    boot_range: str
    nights: int


def rows(nights: Sequence[NightSummary]) -> tuple[Row, ...]:
    """The newest first, as they come."""
    found = []
    for position, night in enumerate(nights[:MOST_ROWS]):
        before = next((one for one in nights[position + 1 :] if not one.problem), None)
        total = _total(night)
        found.append(
            Row(
                night,
                night.to_look_at,
                size(total) if total else "",
                size_change(_total(before), total) if before and total else "",
                size(uploaded) if (uploaded := sum(image.uploaded for image in night.images)) else "",
            )
        )  # fmt: skip
    return tuple(found)


def trends(nights: Sequence[NightSummary]) -> tuple[Trend, ...]:
    """The images of the newest night that is known."""
    shown = [night for night in nights if not night.problem][:TREND_NIGHTS]
    if not shown:
        return ()
    by_night: list[tuple[int, dict[str, ImageSummary]]] = [
        (night.number, {image.slug: image for image in night.images}) for night in reversed(shown)
    ]
    # A young strip grows from the right, at the same scale as an old one.
    by_night = [*[(0, {})] * (LEAST_NIGHTS - len(by_night)), *by_night]
    return tuple(_trend(slug, by_night) for slug in dict.fromkeys(image.slug for image in shown[0].images))


def _trend(slug: str, by_night: Sequence[tuple[int, dict[str, ImageSummary]]]) -> Trend:
    known = [(number, images.get(slug)) for number, images in by_night]
    there = [(number, image) for number, image in known if image]
    newest = there[-1][1]
    firmware = first_firmware(tuple(boot.firmware for boot in newest.boots))
    # Another accelerator measures something else.
    measured = [pair for pair in there if pair[1].accelerator == newest.accelerator]
    sizes = tuple((number, float(image.bytes)) for number, image in there if image.bytes)
    boots = tuple((number, image.boot(firmware)) for number, image in measured if image.boot(firmware))
    return Trend(
        slug=slug,
        anchor=anchor_of(slug),
        state=newest.state,
        strips=_strips([image.state if image else None for _, image in known]),
        strip_words=_mishaps(there),
        size=spark(sizes),
        size_words=size(newest.bytes) if newest.bytes else "none in service",
        size_range=_range(sizes, size, size_change),
        boot=spark(boots),
        boot_words=f"{newest.boot(firmware):.1f} s by {firmware}" if firmware else "not measured",
        boot_range=_range(boots, lambda seconds: f"{seconds:.1f} s", seconds_change),
        nights=len(known),
    )


def _strips(states: Sequence[ImageState | None]) -> tuple[tuple[ImageState, str], ...]:
    drawn = ((state, strip([tall if one == state else 0 for one in states])) for state, tall in HEIGHTS.items())
    return tuple((state, path) for state, path in drawn if path)


def _mishaps(nights: Sequence[tuple[int, ImageSummary]]) -> str:
    """How often it failed or was skipped: what the strip shows, in words."""
    said = []
    for state in ("failed", "skipped"):
        numbers = [number for number, image in nights if image.state == state]
        if numbers:
            said.append(f"{state} in {len(numbers)}, last in night {numbers[-1]}")
    over = count(len(nights), "night")
    return f"of {over} {'; '.join(said)}" if said else f"never failed or skipped in {over}"


def _range(points: Sequence[Point], words: Callable[[float], str], change: Callable[[float, float], str]) -> str:
    """Since when it changed by how much, and between what it was; empty where there are not two nights."""
    if len(points) < 2:
        return ""
    values = [value for _, value in points]
    moved = f"{change(values[0], values[-1])} since night {points[0][0]}"
    if min(values) == max(values):
        return moved
    return f"{moved}, between {words(min(values))} and {words(max(values))}"


def _total(night: NightSummary | None) -> int:
    return sum(image.bytes for image in night.images) if night else 0
