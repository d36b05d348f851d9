"""What the page of a night says of each image: all decisions are here, the template only lays them out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.host.quantities import duration, finite, size
from labwright.nightly.model import ImageNight, Night, StepOutcome
from labwright.nightly.page.changes import Change, kernel_words, package_changes, package_words
from labwright.nightly.page.charts import Chart, Series, chart
from labwright.nightly.page.facts import Boot, Facts, Unreadable, read_facts
from labwright.nightly.page.history import ImageSummary, NightSummary
from labwright.nightly.page.words import address, clean, line, seconds_change, size_change
from labwright.nightly.places import Places

CHART_NIGHTS = 30
MOST_CHANGES = 1000
SHOWN_LOG = 24_000
"""Bytes of a log's end that the page holds; the file has all."""
BILLS = (".cdx.json", ".spdx.json")
"""How bills of materials are called (CycloneDX 1.6, File naming; SPDX likewise)."""
FIRST_FIRMWARES = ("bios", "uefi", "direct", "device")
"""The firmware that stands for an image where there is room for one number."""
ORDER = ("failed", "skipped", "building", "built", "unchanged", "waiting")


@dataclass(frozen=True)
class StepBar:
    """A step. width: hundredths of the longest step."""

    title: str
    seconds: str
    width: float
    outcome: StepOutcome


@dataclass(frozen=True)
class Log:
    """A log. text: its end, where `cut`, else all of it. href: empty where the file is gone."""

    text: str
    size: str
    href: str
    cut: bool


@dataclass(frozen=True)
class Link:
    """A file beside the page."""

    words: str
    href: str


@dataclass(frozen=True)
class BootRow:
    """A boot and how much slower it was than the version before; empty where that cannot be compared."""

    boot: Boot
    change: str


@dataclass(frozen=True)
class Published:
    """What a registry has, in words."""

    kind: str
    reference: str
    digest: str
    uploaded: str
    signed: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """An image in a night. before: the night whose version the changes are about, 0 where there is none.

    problem: what is wrong with a report, so that something is not shown. facts: of the version in service.
    """

    image: ImageNight
    anchor: str
    facts: Facts | None
    problem: str
    time: str
    size: str
    size_change: str
    boot: str
    boot_change: str
    boots: tuple[BootRow, ...]
    chart: Chart | None
    steps: tuple[StepBar, ...]
    before: int
    changes: tuple[Change, ...]
    more_changes: int
    package_words: str
    kernel_words: str
    published: tuple[Published, ...]
    log: Log | None
    links: tuple[Link, ...]

    @property
    def made_now(self) -> bool:
        """Whether this night made the version in service."""
        return self.image.state == "built"


def cards(
    places: Places, night: Night, facts: Mapping[str, Facts | str], history: Sequence[NightSummary]
) -> tuple[Card, ...]:
    """All images of a night: what needs a person first, then what is new, then the rest."""
    earlier = [one for one in history if one.number < night.number]
    ordered = sorted(night.images, key=_urgency)
    taken: dict[str, int] = {}
    found = []
    for image in ordered:
        anchor = anchor_of(image.slug)
        taken[anchor] = taken.get(anchor, 0) + 1
        here = anchor if taken[anchor] == 1 else f"{anchor}-{taken[anchor]}"
        found.append(_card(places, night, image, here, facts.get(image.slug), earlier))
    return tuple(found)


def _urgency(image: ImageNight) -> tuple[bool, int]:
    quiet = image.state not in {"failed", "skipped"} and not image.publish_failures
    return quiet, ORDER.index(image.state)


def anchor_of(slug: str) -> str:
    """The identifier of an image's part of the page."""
    return "image-" + re.sub(r"[^a-z0-9-]", "-", slug[:80])


def _card(
    places: Places,
    night: Night,
    image: ImageNight,
    anchor: str,
    found: Facts | str | None,
    earlier: Sequence[NightSummary],
) -> Card:
    facts = found if isinstance(found, Facts) else None
    problems = [found] if isinstance(found, str) else []
    before = _before(image, earlier)
    old: Facts | None = None
    if before:
        try:
            old = read_facts(places, Night(before[0], 0, ()), image.slug)
        except Unreadable as error:
            problems.append(f"the report of night {before[0]} {error}")
    changes = package_changes(old, facts) if old and facts else ()
    boots = _boots(facts, old)
    first = first_firmware(tuple(row.boot.firmware for row in boots))
    shown = next((row for row in boots if row.boot.firmware == first), None)
    delivered = image.delivered
    return Card(
        image=image,
        anchor=anchor,
        facts=facts,
        problem="; ".join(problems),
        time=duration(image.seconds) if image.attempts else "",
        size=size(delivered.bytes) if delivered else "",
        size_change=size_change(before[1].bytes, delivered.bytes) if before and delivered else "",
        boot=f"{shown.boot.seconds:.1f} s" if shown else "",
        boot_change=shown.change if shown else "",
        boots=boots,
        chart=_chart(image, facts, night, earlier),
        steps=_steps(image),
        before=before[0] if old and before else 0,
        changes=changes[:MOST_CHANGES],
        more_changes=len(changes[MOST_CHANGES:]),
        package_words=package_words(changes) if old and facts and old.packages and facts.packages else "",
        kernel_words=kernel_words(old.kernel, facts.kernel) if old and facts else "",
        published=_published(image),
        log=_log(places, night, image),
        links=_links(places, night, image, facts),
    )  # fmt: skip


def _before(image: ImageNight, earlier: Sequence[NightSummary]) -> tuple[int, ImageSummary] | None:
    """The version before the one that this night made, and the last night in which it was in service."""
    if image.state != "built" or image.delivered is None:
        return None
    for night in earlier:
        found = night.image(image.slug)
        if found and found.since:
            return night.number, found
    return None


def first_firmware(names: Sequence[str]) -> str:
    """The one whose number stands for the image; empty where there is none."""
    return next((name for name in FIRST_FIRMWARES if name in names), names[0] if names else "")


def _boots(facts: Facts | None, old: Facts | None) -> tuple[BootRow, ...]:
    """Seconds on another accelerator are no slower or faster: they are another measure."""
    if facts is None:
        return ()
    comparable = old.boots if old and old.accelerator == facts.accelerator else ()
    before = {boot.firmware: boot.seconds for boot in comparable}
    return tuple(
        BootRow(boot, seconds_change(before[boot.firmware], boot.seconds) if before.get(boot.firmware) else "")
        for boot in facts.boots
    )


def _chart(image: ImageNight, facts: Facts | None, night: Night, earlier: Sequence[NightSummary]) -> Chart | None:
    """Boot times over the last nights, a line a firmware."""
    if facts is None:
        return None
    past = [(one.number, found) for one in reversed(earlier[: CHART_NIGHTS - 1]) if (found := one.image(image.slug))]
    series = []
    for boot in facts.boots:
        points = [(number, found.boot(boot.firmware)) for number, found in past]
        points.append((night.number, boot.seconds))
        series.append(Series(boot.firmware, tuple(point for point in points if point[1])))
    return chart("Seconds from power-on to SSH, by night", "s", series)


def _steps(image: ImageNight) -> tuple[StepBar, ...]:
    """What was kept from an earlier build took no time of this one."""
    seconds = [0.0 if step.outcome == "cached" else finite(step.seconds) for step in image.steps]
    longest = max(seconds, default=0.0) or 1.0
    return tuple(
        StepBar(line(step.title or step.name), duration(took), round(took / longest * 100, 1), step.outcome)
        for step, took in zip(image.steps, seconds, strict=True)
    )


def _published(image: ImageNight) -> tuple[Published, ...]:
    return tuple(
        Published(
            kind=line(one.kind, 40),
            reference=line(one.reference),
            digest=line(one.digest, 200),
            uploaded=_uploaded(one.uploaded, one.total),
            signed=one.signed,
            warnings=tuple(line(text) for text in one.warnings[:20]),
        )
        for one in image.published
    )


def _uploaded(uploaded: int, total: int) -> str:
    if not finite(uploaded):
        return f"nothing of {size(total)}: all of it was there"
    return f"{size(uploaded)} of {size(total)}"


def _log(places: Places, night: Night, image: ImageNight) -> Log | None:
    if image.failure is None or not image.failure.log:
        return None
    path = _inside(places.night(night), image.failure.log)
    if path is None:
        return Log("", "", "", cut=False)
    try:
        length = path.stat().st_size
        with path.open("rb") as stream:
            stream.seek(max(0, length - SHOWN_LOG))
            text = clean(stream.read(SHOWN_LOG).decode(errors="replace"))
    except OSError:
        return Log("", "", "", cut=False)
    cut = length > SHOWN_LOG
    # A line whose beginning is gone says something else than it said.
    shown = text.partition("\n")[2] if cut and "\n" in text else text
    return Log(shown, size(length), address(image.failure.log), cut)


def _links(places: Places, night: Night, image: ImageNight, facts: Facts | None) -> tuple[Link, ...]:
    """Report and files of the version in service; a disk with secrets is not offered."""
    if image.delivered is None:
        return ()
    found = [Link("Report (JSON)", address("reports", f"{image.slug}.json"))] if facts else []
    folder = _inside(places.root, image.delivered.folder)
    if folder is None or not folder.is_dir():
        return tuple(found)
    for path in sorted(folder.iterdir())[:64]:
        words = _words_for(path.name)
        if words and not (facts and facts.private and path.name.endswith(".qcow2")):
            found.append(Link(words, "../../" + address(image.delivered.folder, path.name)))
    return tuple(found)


def _words_for(name: str) -> str:
    if name.endswith(BILLS):
        return "Bill of materials (SBOM)"
    return {".qcow2": f"Disk image ({line(name, 60)})", ".mtree": "List of files"}.get(Path(name).suffix, "")


def _inside(folder: Path, name: str) -> Path | None:
    """What a record names below a folder; None where it is not below it, or not there."""
    try:
        path = (folder / name).resolve()
        return path if path.exists() and path.is_relative_to(folder.resolve()) else None
    except (OSError, ValueError):
        return None
