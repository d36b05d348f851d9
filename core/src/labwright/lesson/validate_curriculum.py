"""What only a whole curriculum shows: names that are there twice or not at all, circles, its other files."""

from __future__ import annotations

import graphlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from labwright.lesson.finding import Finding, of_reading
from labwright.lesson.likeness import Likeness
from labwright.lesson.read import Lesson
from labwright.spec import collection, curriculum, image, lesson, platform_image
from labwright.spec.document import Document, Model, Reading, examine_document

MOST_CIRCLES = 20
HELP = "docs/lesson-files.md lists the keys"


@dataclass(frozen=True)
class Surroundings:
    """What lessons may name. images: slugs with an image.meta.yaml; bare: folders of images that have none."""

    collections: tuple[str, ...]
    images: tuple[str, ...]
    bare: tuple[str, ...]
    findings: tuple[Finding, ...]


def is_curriculum(place: Path) -> bool:
    """Whether a folder holds a curriculum."""
    return (place / curriculum.FILE).is_file() or (place / "lessons").is_dir()


def lesson_folders(place: Path) -> tuple[tuple[Path, ...], tuple[Finding, ...]]:
    """The folders of a curriculum's lessons, sorted, and the folders in lessons/ that hold none."""
    top = place / "lessons"
    found: list[Path] = []
    for here, folders, files in os.walk(top):
        if lesson.FILE in files:
            found.append(Path(here))
            folders.clear()
        elif len(Path(here).relative_to(top).parts) >= curriculum.DEEPEST:
            folders.clear()
    findings = tuple(
        Finding(path, 1, "warning", "folder", f"there is no {lesson.FILE} in this folder", "write it, or move it away")
        for path in _folders(top)
        if not any(one.is_relative_to(path) for one in found)
    )
    return tuple(sorted(found)), findings


def surroundings(place: Path) -> Surroundings:
    """The curriculum's own file, its collections and its images."""
    findings: list[Finding] = []
    if (place / curriculum.FILE).exists():
        findings += of_reading(_read(place / curriculum.FILE, curriculum.CurriculumSpec))
    collections: dict[str, Path] = {}
    for path in _folders(place / "collections"):
        if not (path / collection.FILE).exists():
            what = f"there is no {collection.FILE} in this folder"
            findings.append(Finding(path, 1, "warning", "folder", what, "write it, or move it away"))
            continue
        reading = _read(path / collection.FILE, collection.CollectionSpec)
        findings += of_reading(reading)
        if reading.document:
            findings += _twice(reading.document, reading.document.value.slug, collections)
            findings += picture(reading.document, "image", reading.document.value.image)
        else:
            # Lessons that name it are not to blame; folders are mostly called by their slugs.
            collections.setdefault(path.name, path / collection.FILE)
    images: dict[str, Path] = {}
    folders = _folders(place / "images")
    for path in folders:
        if (path / platform_image.FILE).exists():
            findings += _image(path / platform_image.FILE, images)
    bare = tuple(path.name for path in folders if not (path / platform_image.FILE).exists())
    return Surroundings(tuple(collections), tuple(images), bare, tuple(findings))


def across(lessons: tuple[Lesson, ...], unread: tuple[str, ...], around: Surroundings) -> Iterator[Finding]:
    """What lessons say of each other and of what is around them. unread: folders of lessons that cannot be used."""
    slugs: dict[str, Path] = {}
    for one in lessons:
        yield from _twice(Document(one.file, one.spec, one.lines), one.spec.slug, slugs)
    prerequisites, collections, images = Likeness(), Likeness(), Likeness()
    known = dict.fromkeys([*slugs, *unread])
    for one in lessons:
        yield from _prerequisites(one, known, prerequisites)
        yield from _collection(one, around, collections)
        yield from _images(one, around, images)
    yield from _circles({one.spec.slug: one for one in lessons})


def picture(document: Document[Any], key: str, name: str | None) -> Iterator[Finding]:
    """A file that is named instead of a URL, and is not there."""
    try:
        is_url = bool(name and urlsplit(name).scheme)
    except ValueError:
        is_url = False
    if name and not is_url and not _file(document.path.parent, name):
        what = f"{key}: there is no file {name} in {document.path.parent.name}"
        remedy = "put it there, or name a URL that begins with https://"
        yield Finding(document.path, document.line((key,)), "warning", "file", what, remedy)


def _file(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_file()
    except (OSError, ValueError):
        return False


def _folders(place: Path) -> tuple[Path, ...]:
    try:
        return tuple(sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith(".")))
    except OSError:
        return ()


def _read(path: Path, model: type[Model]) -> Reading[Model]:
    return examine_document(path, model, absent="write it", help_=HELP)


def _twice(document: Document[Any], slug: str, seen: dict[str, Path]) -> Iterator[Finding]:
    """Notes the slug. One that is there already is an error."""
    if slug in seen:
        what = f"slug: {slug!r} is also that of {seen[slug].parent}"
        yield Finding(document.path, document.line(("slug",)), "error", "slug", what, "give it a slug of its own")
    seen.setdefault(slug, document.path)


def _image(path: Path, images: dict[str, Path]) -> Iterator[Finding]:
    reading = examine_document(path, platform_image.PlatformImage, absent="write it", help_=HELP)
    yield from of_reading(reading)
    if reading.document is None:
        images.setdefault(path.parent.name, path)
        return
    slug, document = reading.document.value.slug, reading.document
    yield from _twice(document, slug, images)
    if slug != path.parent.name:
        what = f"slug: it is {slug!r}, but the folder is called {path.parent.name!r}"
        remedy = "make them the same: an image is found by its slug"
        yield Finding(path, document.line(("slug",)), "warning", "slug", what, remedy)
    if document.value.build is not None:
        help_ = "docs/write-an-image.md lists the keys of an image that labwright makes"
        yield from of_reading(examine_document(path, image.ImageSpec, absent="write it", help_=help_))


def _prerequisites(one: Lesson, slugs: Mapping[str, None], likeness: Likeness) -> Iterator[Finding]:
    for index, slug in enumerate(one.spec.prereqs):
        if slug not in slugs:
            what = f"prereqs: no lesson has the slug {slug!r}{likeness.meant(slug, slugs)}"
            yield one.finding(("prereqs", index), "prerequisite", what, "name the slug of a lesson of this curriculum")


def _collection(one: Lesson, around: Surroundings, likeness: Likeness) -> Iterator[Finding]:
    slug = one.spec.collection
    if slug and slug not in around.collections:
        what = f"collection: no collection has the slug {slug!r}{likeness.meant(slug, around.collections)}"
        yield one.finding(("collection",), "collection", what, f"write collections/{slug}/{collection.FILE}")


def _images(one: Lesson, around: Surroundings, likeness: Likeness) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, endpoint in enumerate(one.spec.endpoints):
        slug, place = endpoint.image, ("endpoints", index, "image")
        if slug in around.images or slug in seen:
            continue
        seen.add(slug)
        if slug in around.bare:
            what = f"the image {slug!r} has a folder, but no {platform_image.FILE} in it"
            remedy = "write it: nobody knows the image's user and password without it"
        else:
            what = f"the image {slug!r} is not in images/{likeness.meant(slug, around.images)}"
            remedy = "nothing to do if it comes from elsewhere: it must be there when the lesson starts"
        yield one.finding(place, "image", what, remedy, warning=True)


def _circles(lessons: Mapping[str, Lesson]) -> Iterator[Finding]:
    """Lessons that cannot be begun, since each is to be done before the other."""
    before = {slug: [each for each in one.spec.prereqs if each in lessons] for slug, one in lessons.items()}
    for _ in range(MOST_CIRCLES):
        try:
            graphlib.TopologicalSorter(before).prepare()
        except graphlib.CycleError as error:
            # graphlib's list goes from what is done first to what is done after it.
            circle = list(reversed(error.args[1]))
        else:
            return
        at = circle.index(min(circle))
        circle = [*circle[at:-1], *circle[:at], circle[at]]
        first, second = circle[0], circle[1]
        one = lessons[first]
        what = f"prereqs: no learner can begin: {' needs '.join(circle)}"
        place = ("prereqs", one.spec.prereqs.index(second))
        yield one.finding(place, "prerequisite", what, "take one of these prereqs out")
        before[first] = [slug for slug in before[first] if slug != second]
