"""Which version of an image is in service: a link, replaced by one rename after the tests."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.files import sync, write_whole
from labwright.host.interrupts import undisturbed
from labwright.host.teardown import remove_folder
from labwright.nightly.model import Delivered, Night
from labwright.nightly.places import CURRENT, Places

PARTIAL = (".*.partial", "nights/*/.*.partial", "nights/*/*/.*.partial")
"""Files that were being written."""
REPLACED = ".replaced"
"""At the end of a hidden folder's name: the version that the same night made before."""


def in_service(places: Places, slug: str) -> Path | None:
    """The folder of the version in service; None where there is none, or no report in it."""
    link = places.current(slug)
    try:
        folder = places.versions(slug) / link.readlink().name
    except OSError:
        return None
    return folder if (folder / f"{slug}.json").is_file() else None


def staging(places: Places, night: Night, slug: str) -> Path:
    """Where a build delivers to, beside the place that its folder gets by a rename."""
    return places.versions(slug) / f".{night.name}"


def clear_staging(places: Places) -> None:
    """Remove what builds that were killed left half made. Raises LabwrightError (host), OSError."""
    for old in (places.root / "images").glob(f"*/.*{REPLACED}"):
        place = old.with_name(old.name.removeprefix(".").removesuffix(REPLACED))
        if not place.exists():
            # Killed between the two renames of put_in_service: `current` leads nowhere without it.
            old.rename(place)
    for path in (places.root / "images").glob("*/.*"):
        if path.is_dir() and not path.is_symlink():
            remove_folder(path)
        else:
            path.unlink(missing_ok=True)
    for pattern in PARTIAL:
        for path in places.root.glob(pattern):
            path.unlink(missing_ok=True)


def put_in_service(places: Places, night: Night, slug: str, output: Path) -> Path:
    """Make what a build delivered the version in service. Returns its folder. Raises LabwrightError, OSError."""
    if not (output / f"{slug}.json").is_file() or not (output / f"{slug}.qcow2").is_file():
        raise LabwrightError(
            f"the build of {slug} ended well, and left no image in {output}",
            cause=Cause.INTERNAL,
            hint="this is a bug of labwright or of a plugin: please report it",
        )
    place = places.version(slug, night)
    sync(output)
    old = places.versions(slug) / f".{place.name}{REPLACED}"
    # Between the renames `current` may lead nowhere.
    with undisturbed():
        if place.exists():
            # This very night made one before it was interrupted, and that may be in service.
            place.rename(old)
        try:
            output.rename(place)
        except OSError:
            if old.exists():
                old.rename(place)
            raise
        partial = places.versions(slug) / f".{CURRENT}.{uuid.uuid4().hex[:8]}"
        partial.symlink_to(place.name)
        os.replace(partial, places.current(slug))  # noqa: PTH105
        sync(places.versions(slug))
    # What cannot be removed now goes with the next night: the image is in service.
    with contextlib.suppress(LabwrightError):
        remove_folder(old)
    return place


def delivered(places: Places, night: Night, slug: str) -> Delivered | None:
    """The image in service, its report copied to the night that speaks of it. None where there is none. Raises OSError.

    A report that cannot be read counts as no image.
    """
    folder = in_service(places, slug)
    if folder is None:
        return None
    text = (folder / f"{slug}.json").read_text(encoding="utf-8", errors="replace")
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        facts = json.loads(text)
        sha256, size = str(facts["sha256"]), int(facts["bytes"])
        report = places.report(night, slug)
        report.parent.mkdir(parents=True, exist_ok=True)
        write_whole(report, text)
        return Delivered(
            folder=folder.relative_to(places.root).as_posix(),
            report=report.relative_to(places.night(night)).as_posix(),
            since=int(folder.name),
            sha256=sha256,
            bytes=size,
        )
    return None
