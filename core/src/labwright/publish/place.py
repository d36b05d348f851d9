"""Pulled files into the folder where they are used: whole, and with nothing of an older image of that name beside."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.files import file_digest, has_content, sync
from labwright.host.interrupts import undisturbed
from labwright.publish.delivered import SLUG, beside_disk
from labwright.trust.checksums import SIGNATURE, SUMS

LARGEST_REPORT = 16 << 20
LARGEST_SUMS = 4 << 20
PAPERS = (".cdx.json", ".spdx.json", ".intoto.json")


def check_free(aside: Path, folder: Path) -> None:
    """Raise LabwrightError (config) where a disk would replace another: its name is the registry's word alone."""
    for disk in sorted(aside.glob("*.qcow2")):
        place = folder / disk.name
        if place.exists() and not has_content(place, disk.stat().st_size, file_digest(disk)):
            raise LabwrightError(
                f"{place} is there, and another disk than the one that was pulled",
                cause=Cause.CONFIG,
                hint="choose another --out, or replace it with --force",
            )


def into_place(aside: Path, folder: Path, slug: str) -> tuple[Path, ...]:
    """Move the files of an image, the report last, which vouches for the rest; so the old one goes first.

    What is left of an older image of that name is removed: it would be published with this one. Raises LabwrightError
    (config) for a folder that leads elsewhere, and OSError.
    """
    reports = sorted(aside.glob("*.json"))
    files = sorted(path for path in aside.rglob("*") if path.is_file() and path not in reports)
    places = {path: folder / path.relative_to(aside) for path in [*files, *reports]}
    kernel = folder / f"{slug}-kernel"
    if kernel.is_symlink():
        raise LabwrightError(
            f"{kernel} leads to another folder",
            cause=Cause.CONFIG,
            hint="move it away, or choose another --out",
        )
    older = list(_older(folder, slug))
    # Gigabytes of disks take seconds, in which what is in the folder is still the old image, whole.
    for path in places:
        sync(path)
    with undisturbed():
        (folder / f"{slug}.json").unlink(missing_ok=True)
        for path in older:
            if path not in places.values():
                path.unlink(missing_ok=True)
        for path, place in places.items():
            place.parent.mkdir(exist_ok=True)
            path.replace(place)
        with contextlib.suppress(OSError):
            # Only where nothing is in it: it may have become somebody's own.
            kernel.rmdir()
        sync(folder)
    return tuple(places.values())


def _older(folder: Path, slug: str) -> Iterator[Path]:
    """What another pull or build left of an image beside its first disk and report."""
    for name in beside_disk(slug):
        yield folder / name
    for ending in PAPERS:
        yield folder / f"{slug}{ending}"
    if _lists(folder / SUMS, f"{slug}.qcow2"):
        # Of what was there; a list that does not name the disk is that of another image.
        yield folder / SUMS
        yield folder / SIGNATURE
    for name in _disks(folder / f"{slug}.json"):
        disk = folder / f"{slug}-{name}.qcow2"
        # One with a report of its own is an image whose name begins like this one's.
        if not disk.with_suffix(".json").exists():
            yield disk


def _lists(sums: Path, name: str) -> bool:
    """Whether a list of hashes names a file."""
    try:
        if not sums.is_file() or sums.stat().st_size > LARGEST_SUMS:
            return False
        return any(line[64:] in {f"  {name}", f" *{name}"} for line in sums.read_text("utf-8", "replace").splitlines())
    except OSError:
        return False


def _disks(report: Path) -> tuple[str, ...]:
    """The further disks of an old report, which may be anybody's."""
    try:
        if not report.is_file() or report.stat().st_size > LARGEST_REPORT:
            return ()
        disks = json.loads(report.read_bytes())["disks"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
    return tuple(name for name in disks if SLUG.fullmatch(name)) if isinstance(disks, dict) else ()
