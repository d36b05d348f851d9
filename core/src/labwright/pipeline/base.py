"""An image that starts from another image of ours: that one is made first, in the same command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.pipeline.source import remembered_digest
from labwright.pipeline.workshop import Workshop
from labwright.spec.image import ImageSpec, Visibility
from labwright.spec.load import load_image


@dataclass(frozen=True)
class Privacy:
    """Whom an image is for. files: the places of all private files that are in it, sorted; their contents are nowhere.

    visibility: private where the image, or one that it starts from, is marked so.
    """

    files: tuple[str, ...] = ()
    visibility: Visibility = "public"

    def facts(self) -> dict[str, object]:
        """What a report says of it."""
        return {"private": list(self.files), "visibility": self.visibility}

    def beside(self, other: Privacy) -> Privacy:
        """That of an image which holds both: no less private than either."""
        hidden = "private" in {self.visibility, other.visibility}
        return Privacy(tuple(sorted({*self.files, *other.files})), "private" if hidden else "public")


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


def own_privacy(spec: ImageSpec) -> Privacy:
    """What an image's description says, without what it starts from."""
    return Privacy(tuple(sorted({one.path for one in spec.build.private_files})), spec.build.visibility)


def inherited_privacy(spec: ImageSpec, workshop: Workshop) -> Privacy:
    """What an image takes over from the image or the disk in build.from.

    Raises LabwrightError: config for an image that starts from itself, host for a disk that cannot be read.
    """
    if found := base_of(spec):
        return own_privacy(found[0]).beside(inherited_privacy(found[0], workshop))
    return _privacy_of_disk(Path(spec.build.source), workshop) if spec.build.source else Privacy()


def _privacy_of_disk(disk: Path, workshop: Workshop) -> Privacy:
    """What the report beside a disk that we delivered says; it counts only while it is about this very disk."""
    try:
        report = json.loads(disk.with_suffix(".json").read_text(encoding="utf-8"))
        files = tuple(sorted({str(place) for place in report["private"]}))
        told = Privacy(files, "private" if report["visibility"] == "private" else "public")
        sha256 = report["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Privacy()
    return told if told != Privacy() and sha256 == remembered_digest(disk, workshop) else Privacy()


def starting_from(spec: ImageSpec, disk: Path, sha256: str | None) -> ImageSpec:
    """The same image, from a disk. sha256: its hash, where we made it and vouch for it."""
    build = spec.build.model_copy(update={"source": str(disk), "sha256": sha256})
    return spec.model_copy(update={"build": build})
