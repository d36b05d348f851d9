"""The nights so far, in short: what index.json says. It is read again, so that old reports are read only once."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from labwright.errors import LabwrightError
from labwright.host.quantities import finite
from labwright.nightly.model import ImageNight, ImageState, Night, from_json
from labwright.nightly.page.facts import Facts, Unreadable, read_facts
from labwright.nightly.page.words import line
from labwright.nightly.places import NIGHT, Places

INDEX = "index.json"
FORMAT = 1
"""Raised when what is in index.json changes its meaning; an index of another format is made anew."""
LARGEST_INDEX = 64 * 1024 * 1024
LARGEST_NIGHT = 16 * 1024 * 1024
NAME = re.compile(r"[0-9]{4,9}")


@dataclass(frozen=True)
class BootTime:
    """Seconds from power-on, 0 where not measured."""

    firmware: str
    ssh: float
    login: float

    @property
    def seconds(self) -> float:
        """To SSH; to the login prompt where SSH was not asked for."""
        return self.ssh or self.login


@dataclass(frozen=True)
class ImageSummary:
    """An image in a night. since, sha256, bytes, kernel, boots: of the version in service at its end, if there is one.

    cause: of the failure. uploaded: bytes, to all registries. problem: what is wrong with its report.
    """

    slug: str
    state: ImageState
    seconds: float = 0.0
    attempts: int = 0
    cause: str = ""
    since: int = 0
    sha256: str = ""
    bytes: int = 0
    kernel: str = ""
    accelerator: str = ""
    boots: tuple[BootTime, ...] = ()
    published: tuple[str, ...] = ()
    uploaded: int = 0
    publish_failures: int = 0
    problem: str = ""

    def boot(self, firmware: str) -> float:
        """Seconds that a firmware took, 0 where not known."""
        return next((boot.seconds for boot in self.boots if boot.firmware == firmware), 0.0)


@dataclass(frozen=True)
class NightSummary:
    """A night. seen: of which files this was read. problem: why nothing more is known of it."""

    number: int
    started: float = 0.0
    seconds: float = 0.0
    finished: bool = False
    resumed: int = 0
    revision: str = ""
    labwright: str = ""
    host: str = ""
    images: tuple[ImageSummary, ...] = ()
    seen: str = ""
    problem: str = ""

    @property
    def name(self) -> str:
        """Its folder's name."""
        return f"{self.number:04}"

    def counted(self, state: ImageState) -> int:
        """How many images came to this."""
        return sum(image.state == state for image in self.images)

    @property
    def to_look_at(self) -> tuple[str, ...]:
        """The images that are not as they should be in the morning."""
        return tuple(
            image.slug for image in self.images if image.state in {"failed", "skipped"} or image.publish_failures
        )

    def image(self, slug: str) -> ImageSummary | None:
        """One image of it."""
        return next((image for image in self.images if image.slug == slug), None)


@dataclass(frozen=True)
class Index:
    """index.json. nights: the newest first."""

    format: int
    nights: tuple[NightSummary, ...]


_INDEX = TypeAdapter(Index)


def index_json(nights: tuple[NightSummary, ...]) -> str:
    """The text of index.json."""
    return _INDEX.dump_json(Index(FORMAT, nights)).decode() + "\n"


def read_history(places: Places, night: Night, facts: Mapping[str, Facts | str]) -> tuple[NightSummary, ...]:
    """All nights, the newest first. night: the one at hand, which is taken as it is; facts: of its images."""
    known = {one.number: one for one in _read_index(places.root / INDEX)}
    found = [summarize(night, facts, seen="")]
    for folder in _folders(places.root / "nights"):
        number = int(folder.name)
        if number == night.number:
            continue
        seen = _fingerprint(folder)
        before = known.get(number)
        found.append(before if before and before.seen == seen else _read_night(places, folder, seen))
    return tuple(sorted(found, key=lambda one: -one.number))


def summarize(night: Night, facts: Mapping[str, Facts | str], seen: str) -> NightSummary:
    """A night in short. facts: by slug what a report says, or what is wrong with it."""
    return NightSummary(
        number=night.number,
        started=finite(night.started),
        seconds=finite(night.seconds),
        finished=night.finished,
        resumed=night.resumed,
        revision=line(night.revision, 80),
        labwright=line(night.labwright, 40),
        host=line(night.host, 80),
        images=tuple(_image(image, facts.get(image.slug, "")) for image in night.images),
        seen=seen,
    )


def _image(image: ImageNight, facts: Facts | str) -> ImageSummary:
    known = facts if isinstance(facts, Facts) else Facts()
    delivered = image.delivered
    return ImageSummary(
        slug=line(image.slug, 80),
        state=image.state,
        seconds=finite(image.seconds),
        attempts=image.attempts,
        cause=line(image.failure.cause, 40) if image.failure else "",
        since=delivered.since if delivered else 0,
        sha256=line(delivered.sha256, 64) if delivered else "",
        bytes=int(finite(delivered.bytes)) if delivered else 0,
        kernel=known.kernel.release if known.kernel else "",
        accelerator=known.accelerator,
        boots=tuple(BootTime(boot.firmware, boot.ssh, boot.login) for boot in known.boots),
        published=tuple(line(one.reference, 300) for one in image.published),
        uploaded=int(sum(finite(one.uploaded) for one in image.published)),
        publish_failures=len(image.publish_failures),
        problem=facts if isinstance(facts, str) else "",
    )


def facts_of(places: Places, night: Night, packages: bool = True) -> dict[str, Facts | str]:
    """What the reports of a night's images in service say, or what is wrong with them. packages: see read_facts."""
    found: dict[str, Facts | str] = {}
    for image in night.images:
        if image.delivered is None:
            continue
        try:
            found[image.slug] = read_facts(places, night, image.slug, packages)
        except Unreadable as error:
            found[image.slug] = f"its report {error}"
    return found


def read_night(folder: Path) -> Night:
    """The record in a night's folder. Raises Unreadable."""
    path = folder / NIGHT
    try:
        if path.stat().st_size > LARGEST_NIGHT:
            raise Unreadable("is larger than any")
        night = from_json(path.read_text(encoding="utf-8", errors="replace"), NIGHT)
    except FileNotFoundError as error:
        raise Unreadable("is missing") from error
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from error
    except LabwrightError as error:
        raise Unreadable("is damaged") from error
    if night.name != folder.name:
        raise Unreadable(f"is of night {night.number}")
    return night


def _read_night(places: Places, folder: Path, seen: str) -> NightSummary:
    try:
        night = read_night(folder)
    except Unreadable as error:
        return NightSummary(int(folder.name), seen=seen, problem=f"its record {error}")
    return summarize(night, facts_of(places, night, packages=False), seen)


def _read_index(path: Path) -> tuple[NightSummary, ...]:
    """What an earlier index said; nothing where it is missing, damaged or of another format."""
    try:
        if path.stat().st_size > LARGEST_INDEX:
            return ()
        index = _INDEX.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return ()
    return index.nights if index.format == FORMAT else ()


def _folders(nights: Path) -> list[Path]:
    """The folders of the nights; numbers such as 00007, which no night has, are not theirs."""
    try:
        return [
            path for path in nights.iterdir()
            if NAME.fullmatch(path.name) and f"{int(path.name):04}" == path.name and path.is_dir()
        ]  # fmt: skip
    except OSError:
        return []


def _fingerprint(folder: Path) -> str:
    """Of the record and the reports: names, sizes and times of change, so that none of them has to be read."""
    files = [folder / NIGHT]
    try:
        with os.scandir(folder / "reports") as entries:
            files += [Path(entry.path) for entry in entries if entry.name.endswith(".json")]
    except OSError:
        pass
    seen = hashlib.sha256()
    for path in sorted(files):
        try:
            facts = path.stat()
            seen.update(f"{path.name}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode(errors="surrogateescape"))
        except OSError:
            seen.update(f"{path.name}\0".encode(errors="surrogateescape"))
    return seen.hexdigest()[:16]
