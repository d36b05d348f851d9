"""An image that starts from another image of ours: that one is made first, in the same command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.spec.image import ImageSpec
from labwright.spec.load import load_image


def base_of(spec: ImageSpec, above: Sequence[str] = ()) -> tuple[ImageSpec, Path] | None:
    """The image that build.from names by its folder, and that folder; None where it names a disk or nothing.

    above: the images that start from this one. Raises LabwrightError (config) for one that starts from itself.
    """
    folder = Path(spec.build.source or "")
    if spec.build.source is None or not folder.is_dir():
        return None
    if spec.build.sha256 is not None:
        raise LabwrightError(
            f"{spec.slug}: build.sha256 vouches for a file, and build.from names the folder of an image",
            cause=Cause.CONFIG,
            hint="take it out: what is made here is vouched for",
        )
    base = load_image(folder)
    way = (*above, spec.slug)
    if base.slug in way:
        raise LabwrightError(
            f"{base.slug} starts from itself: {' <- '.join((*way[way.index(base.slug) :], base.slug))}",
            cause=Cause.CONFIG,
            hint="name a disk, or another image, in the build.from of one of them",
        )
    base_of(base, way)
    return base, folder


def holds_secret(spec: ImageSpec) -> bool:
    """Whether private files are in an image, or in one that it starts from."""
    found = base_of(spec)
    return bool(spec.build.private_files) or (found is not None and holds_secret(found[0]))


def delivered_base(slug: str, folder: Path) -> tuple[Path, str]:
    """The disk of an image that an earlier build delivered to a folder, and the hash in its report.

    Whether the disk still has that hash is seen when it is read. Raises LabwrightError (config).
    """
    disk, report = folder / f"{slug}.qcow2", folder / f"{slug}.json"
    try:
        facts = json.loads(report.read_text())
        named, sha256 = facts["image"], str(facts["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_base(slug, folder, f"{report.name} cannot be read") from error
    if named != slug or not disk.is_file():
        raise _no_base(slug, folder, f"{report.name} is of {named}" if named != slug else f"{disk.name} is not there")
    return disk, sha256


def _no_base(slug: str, folder: Path, why: str) -> LabwrightError:
    return LabwrightError(
        f"{folder} holds no image {slug} to start from: {why}",
        cause=Cause.CONFIG,
        hint=f"name the folder that `labwright build` put {slug} into, or leave --base out to have it made",
    )


def starting_from(spec: ImageSpec, disk: Path, sha256: str | None) -> ImageSpec:
    """The same image, from a disk. sha256: its hash, where we made it and vouch for it."""
    build = spec.build.model_copy(update={"source": str(disk), "sha256": sha256})
    return spec.model_copy(update={"build": build})
