"""What goes after a night: versions of images and records of nights, beyond what is to be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import LabwrightError
from labwright.host.teardown import remove_folder
from labwright.nightly import record
from labwright.nightly.model import Night
from labwright.nightly.places import Places
from labwright.nightly.service import in_service
from labwright.pipeline.outlook import report_of


@dataclass(frozen=True)
class Keep:
    """versions: of each image, the one in service among them. nights: whose pages, records and logs stay."""

    versions: int = 3
    nights: int = 90


def prune_nights(places: Places, night: Night, keep: Keep, say: Callable[[str], None]) -> tuple[Path, ...]:
    """Remove what is beyond the policy. Never a version in service, nor one that such a version was made from.

    say: gets what could not be removed. Returns the folders that went.
    """
    gone = []
    for folder in (*_old_versions(places, keep.versions), *_old_nights(places, night, keep.nights)):
        try:
            remove_folder(folder)
        except LabwrightError as error:
            say(f"not pruned: {error.what}")
        else:
            gone.append(folder)
    return tuple(gone)


def _old_versions(places: Places, keep: int) -> Iterator[Path]:
    needed = _sources(places)
    for image in sorted((places.root / "images").glob("*")):
        numbered = [path for path in image.glob("[0-9]*") if path.name.isdigit()]
        versions = sorted(numbered, key=lambda path: int(path.name))
        serving = in_service(places, image.name)
        for version in versions[: max(0, len(versions) - keep)]:
            if version != serving and report_of(image.name, version).get("sha256") not in needed:
                yield version


def _sources(places: Places) -> set[str]:
    """The hashes of the disks that versions in service were made from, as their reports have them."""
    found: set[str] = set()
    for image in (places.root / "images").glob("*"):
        serving = in_service(places, image.name)
        steps = report_of(image.name, serving).get("steps") if serving else None
        for step in steps.values() if isinstance(steps, dict) else ():
            inputs = step.get("inputs") if isinstance(step, dict) else None
            if isinstance(inputs, dict):
                found.add(str(inputs.get("source")))
    return found


def _old_nights(places: Places, night: Night, keep: int) -> Iterator[Path]:
    numbers = [number for number in record.numbers(places) if number != night.number]
    for number in numbers[: max(0, len(numbers) - keep + 1)]:
        yield places.root / "nights" / f"{number:04}"
