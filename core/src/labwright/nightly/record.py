"""The records of nights: counted, written whole after each change, found again after a power cut."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence, Set
from dataclasses import replace

from labwright import __version__
from labwright.errors import Cause, LabwrightError
from labwright.host.files import sync, write_whole
from labwright.nightly.failures import failure
from labwright.nightly.images import Candidate
from labwright.nightly.model import KEPT_STATES, ImageNight, Night, from_json, to_json
from labwright.nightly.places import NIGHT, Places
from labwright.nightly.retries import CRASHES
from labwright.nightly.service import delivered, in_service

UNFINISHED = {"waiting", "building"}
STALE = 12 * 3600.0
"""Seconds after its beginning in which a night is gone on with: what it saw of mirrors and images is older then."""


def write(places: Places, night: Night) -> None:
    """Put night.json in its place, whole. Raises OSError."""
    place = places.record(night)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, to_json(night))
    sync(place.parent)


def numbers(places: Places) -> list[int]:
    """Of all nights that left a folder, oldest first."""
    return sorted(int(path.name) for path in (places.root / "nights").glob("[0-9]*") if path.name.isdigit())


def read(places: Places, number: int) -> Night | None:
    """The record of a night; None where there is none that can be read."""
    place = places.root / "nights" / f"{number:04}" / NIGHT
    try:
        return from_json(place.read_text(encoding="utf-8"), str(place))
    except (OSError, UnicodeDecodeError, LabwrightError):
        return None


def last(places: Places, before: int | None = None) -> Night | None:
    """The newest night whose record can be read. before: of those with a lower number."""
    wanted = (number for number in reversed(numbers(places)) if before is None or number < before)
    return next((night for number in wanted if (night := read(places, number))), None)


def begin(places: Places, candidates: Sequence[Candidate], revision: str = "") -> Night:
    """The night to run: a new one, or the last one where it was not finished, with the revision that it began with.

    Of that one, images that are in service since stay as they are; the others are begun anew, with one more crash where
    an image was being built: it may be what brought the machine down. A new night takes over the crashes of those
    before: under a timer of once a day each of them is closed by the next one. What is no candidate any more keeps its
    place; what of that still waited is skipped. The record is not written yet. Raises OSError.
    """
    unfinished = last(places)
    if unfinished is None or unfinished.finished:
        # A folder without a record is that of a night which was killed before it did anything.
        written = [number for number in numbers(places) if (places.root / "nights" / f"{number:04}" / NIGHT).exists()]
        used = [*written, *_versions(places)]
        number, known = max(used, default=0) + 1, {}
        night = Night(number, time.time(), (), revision=revision)
    else:
        known = {image.slug: image for image in unfinished.images}
        night = replace(unfinished, resumed=unfinished.resumed + 1)
    before = _suspicions(places, night.number, {one.slug for one in candidates} - known.keys())
    images = [_begun(places, night, one, known.pop(one.slug, None), before.get(one.slug, 0)) for one in candidates]
    images += [_left_out(places, night, one) for one in known.values()]
    return replace(night, images=tuple(images), labwright=__version__, host=platform.node())


def close_stale(places: Places) -> Night | None:
    """Close the last night where it was not finished and began too long ago, or later than now; what it did is looked
    at again by a new one. Returns it closed. Raises OSError.
    """
    night = last(places)
    if night is None or night.finished or 0 <= time.time() - night.started <= STALE:
        return None
    told = failure("the night was not finished", Cause.INTERRUPTED.value, "the next one began anew")
    images = tuple(
        replace(
            one, state="failed", failure=told, delivered=delivered(places, night, one.slug), crashes=_crashes(one)
        )
        if one.state in UNFINISHED else one
        for one in night.images
    )  # fmt: skip
    closed = replace(night, images=images, finished=True)
    write(places, closed)
    return closed


def _left_out(places: Places, night: Night, known: ImageNight) -> ImageNight:
    if known.state not in UNFINISHED:
        return known
    why = "not asked for when it was resumed"
    crashes = _crashes(known)
    return replace(known, state="skipped", why=why, delivered=delivered(places, night, known.slug), crashes=crashes)


def _crashes(image: ImageNight) -> int:
    """Of an image in the record of a night that died: an end in order leaves none as being built."""
    return image.crashes + (image.state == "building")


def suspicion(image: ImageNight) -> int:
    """The crashes with which a new night begins an image.

    One that was given up gets one more chance in the night after: what brings a machine down may have been mended.
    """
    if image.state in KEPT_STATES:
        return 0
    closed = image.failure is not None and image.failure.cause == Cause.INTERRUPTED.value
    given_up = image.state == "failed" and image.crashes >= CRASHES and not closed
    return CRASHES - 1 if given_up else image.crashes


def _suspicions(places: Places, before: int, slugs: Set[str]) -> dict[str, int]:
    """By slug, from the newest night that had the image: the last one may have been asked for others."""
    found: dict[str, int] = {}
    for number in reversed(numbers(places)):
        if slugs <= found.keys():
            break
        night = read(places, number) if number < before else None
        for image in night.images if night else ():
            found.setdefault(image.slug, suspicion(image))
    return found


def _begun(places: Places, night: Night, candidate: Candidate, known: ImageNight | None, crashes: int) -> ImageNight:
    if (
        known
        and known.state in KEPT_STATES
        and known.delivered
        and in_service(places, candidate.slug) == (places.root / known.delivered.folder)
    ):
        return replace(known, needs=candidate.needs)
    fresh = ImageNight(candidate.slug, candidate.description, "waiting", needs=candidate.needs, crashes=crashes)
    if known is None:
        return fresh
    attempts = known.attempts if known.state in UNFINISHED else 0
    return replace(fresh, attempts=attempts, crashes=_crashes(known))


def _versions(places: Places) -> list[int]:
    """The numbers of versions of images: their night's folder may be gone."""
    return [int(path.name) for path in (places.root / "images").glob("*/[0-9]*") if path.name.isdigit()]
