"""An image that starts from another image of ours: that one is made first, in the same command."""

from __future__ import annotations

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


def starting_from(spec: ImageSpec, disk: Path, sha256: str | None) -> ImageSpec:
    """The same image, from a disk. sha256: its hash, where we made it and vouch for it."""
    build = spec.build.model_copy(update={"source": str(disk), "sha256": sha256})
    return spec.model_copy(update={"build": build})
