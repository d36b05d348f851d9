"""Reads image.meta.yaml. Every error names file, line, field and remedy, and all errors of a file come at once."""

from __future__ import annotations

import os
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.spec.document import Document, Location, read_document
from labwright.spec.image import UNFIT_FOR_SOURCES, ImageSpec
from labwright.spec.surroundings import from_environment

FILE = "image.meta.yaml"


def image_folder(place: Path) -> Path:
    """The folder of an image, from what a user names: the folder or the image.meta.yaml in it."""
    return (place.parent if place.name == FILE else place).resolve()


def load_image(place: Path, source: Path | None = None) -> ImageSpec:
    """The image that a folder (or its image.meta.yaml) describes. Raises LabwrightError (config).

    source: a disk to start from, whatever build.from says; nobody has vouched for that one.
    """
    path = place if place.name == FILE else place / FILE
    document = read_document(
        path,
        ImageSpec,
        absent=f"name a folder that holds {FILE}, such as images/debian",
        help_="docs/write-an-image.md lists the keys; `labwright schema` prints a schema for your editor",
    )
    spec = document.value
    folder = path.parent.resolve().name
    if spec.slug != folder:
        raise document.mistake(
            ("slug",),
            f"it is {spec.slug!r}, but the folder is called {folder!r}",
            "make them the same: the platform finds the image by its slug",
        )
    if source is not None:
        if not source.is_file():
            raise LabwrightError(f"--from: there is no file {source}", cause=Cause.CONFIG, hint="name a disk image")
        changes = {"source": str(source.resolve()), "sha256": None}
        spec = spec.model_copy(update={"build": spec.build.model_copy(update=changes)})
    spec = _resolved(spec, document)
    return spec.model_copy(update={"build": from_environment(spec.build)})


def _resolved(spec: ImageSpec, document: Document[ImageSpec]) -> ImageSpec:
    """The image with paths that hold wherever labwright is started; what they name is there."""
    folder, build = document.path.parent.resolve(), spec.build

    def refuse(place: Location, what: str, hint: str) -> None:
        raise document.mistake(place, what, hint)

    changes: dict[str, object] = {}
    if build.keyring is not None:
        changes["keyring"] = keyring = str(folder / build.keyring)
        if UNFIT_FOR_SOURCES.search(keyring):
            refuse(
                ("build", "keyring"),
                f"apt cannot read the path {keyring!r}",
                "put the keyring where no folder's name has blanks, quotes or brackets, and write its whole path",
            )
    if build.source is not None:
        changes["source"] = source = str(folder / Path(os.path.expanduser(build.source)))  # noqa: PTH111
        if Path(source).is_dir() and not Path(source, FILE).is_file():
            refuse(
                ("build", "from"), f"the folder {source} has no {FILE}", "name a disk image, or the folder of an image"
            )
        if not Path(source).is_file() and not Path(source).is_dir():
            refuse(("build", "from"), f"there is no file {source}", "put the disk image there, or mend the path")
    if build.disks:
        changes["disks"] = disks = {
            name: str(folder / Path(os.path.expanduser(path)))  # noqa: PTH111
            for name, path in build.disks.items()
        }
        for disk, path in disks.items():
            if not Path(path).is_file():
                refuse(("build", "disks", disk), f"there is no file {path}", "put it there, or mend the path")
    files = (("configuration", (build.configuration,)), ("playbook", (build.playbook,)))
    for key, names in (*files, ("pre", build.pre), ("post", build.post)):
        for index, name in enumerate(names):
            file = folder / (name or "")
            # A link could point out of the folder, which is all that the image depends on.
            if name and (not file.is_file() or not file.resolve().is_relative_to(folder)):
                place = ("build", key, index) if key in {"pre", "post"} else ("build", key)
                refuse(place, f"there is no file {name} in {folder}", "put it beside this file, or mend the name")
    return spec.model_copy(update={"build": build.model_copy(update=changes)}) if changes else spec
