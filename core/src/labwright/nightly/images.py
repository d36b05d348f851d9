"""Which images there are: the folders with a description, and the folders that those start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.nightly.failures import failure, failure_of
from labwright.nightly.graph import circles, with_bases, with_dependents
from labwright.nightly.model import Failure, encodable
from labwright.spec.image import ImageSpec
from labwright.spec.load import FILE, load_image


@dataclass(frozen=True)
class Candidate:
    """An image that a night may build. spec: None where its description cannot be read, and failure says why.

    needs: the slug of the image that it starts from.
    """

    slug: str
    folder: Path
    spec: ImageSpec | None = None
    needs: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def description(self) -> str:
        """What the image's author says of it."""
        return self.spec.description if self.spec else ""


def find_images(folder: Path, only: Sequence[str] = (), without: Sequence[str] = ()) -> tuple[Candidate, ...]:
    """The images in the folders of `folder`, and those outside of it that they start from, by their slugs.

    only: these, and what they start from. without: not these, and not what starts from them. One whose description is
    wrong, or that starts from itself, is there with its failure. Raises LabwrightError (config) where there are none,
    or none is left, or for a name that is none of them.
    """
    found = _all(folder)
    if not found:
        raise LabwrightError(
            f"there is no image in {folder}: no folder in it has an {FILE}",
            cause=Cause.CONFIG,
            hint="name the folder that holds the folders of the images",
        )
    for slug in (*only, *without):
        if slug not in found:
            raise LabwrightError(
                f"there is no image {slug} in {folder}", cause=Cause.CONFIG, hint=f"there are: {', '.join(found)}"
            )
    needs = {slug: one.needs for slug, one in found.items()}
    wanted = with_bases(needs, only) if only else frozenset(found)
    wanted -= with_dependents(needs, without)
    if not wanted:
        raise LabwrightError(
            f"no image is left of those in {folder}",
            cause=Cause.CONFIG,
            hint="--except leaves out what starts from an image as well: name fewer",
        )
    for slug, way in circles(needs).items():
        text = f"{slug} starts from itself: {' <- '.join(way)}"
        hint = "name a disk, or another image, in the build.from of one of them"
        found[slug] = replace(found[slug], failure=failure(text, Cause.CONFIG.value, hint))
    return tuple(found[slug] for slug in sorted(wanted))


def _all(folder: Path) -> dict[str, Candidate]:
    try:
        folders = sorted(path.parent.resolve() for path in folder.glob(f"*/{FILE}"))
    except OSError:
        folders = []
    found: dict[str, Candidate] = {}
    while folders:
        place = folders.pop(0)
        if _slug(place) in found:
            continue
        candidate = _candidate(place)
        base = _base(candidate)
        if base is not None:
            slug = _slug(base)
            taken = found.get(slug) or next((Candidate(slug, one) for one in folders if _slug(one) == slug), None)
            if taken and taken.folder != base:
                candidate = replace(candidate, failure=_two_of_a_name(candidate.slug, taken.folder, base))
            else:
                candidate = replace(candidate, needs=(slug,))
                folders.append(base)
        found[candidate.slug] = candidate
    return found


def _candidate(folder: Path) -> Candidate:
    try:
        return Candidate(_slug(folder), folder, load_image(folder))
    except LabwrightError as error:
        return Candidate(_slug(folder), folder, failure=failure_of(error))


def _slug(folder: Path) -> str:
    """As the record of a night can have it."""
    return encodable(folder.name)


def _base(candidate: Candidate) -> Path | None:
    """The folder in build.from; None where it names a disk or nothing."""
    source = candidate.spec.build.source if candidate.spec else None
    return Path(source).resolve() if source is not None and Path(source).is_dir() else None


def _two_of_a_name(slug: str, one: Path, other: Path) -> Failure:
    return failure(
        f"{slug}: build.from names {other}, and there is another image of that name: {one}",
        Cause.CONFIG.value,
        "call the folder, and the slug in it, something else",
    )
