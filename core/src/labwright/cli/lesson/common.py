"""What the commands of a lesson share: which lesson, which lab, and a workbench."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.session import Session
from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.host import locks
from labwright.interfaces import Workbench
from labwright.lesson.images import LabImage, curriculum_images, find_image
from labwright.lesson.lab import Lab, folder_of
from labwright.lesson.read import Lesson
from labwright.pipeline.runner import scratch_folder

LessonFolder = Annotated[Path, typer.Argument(metavar="LESSON", help="Folder that holds lesson.meta.yaml.")]
IMAGES = Path("out")


def image_folders(lesson: Path) -> tuple[Path, ...]:
    """Where image.meta.yaml of a lesson's images may be: in its curriculum, and where the user stands."""
    return (*curriculum_images(lesson), Path("images").absolute())


def images_of(lesson: Lesson, out: Path, logins: tuple[Path, ...] = ()) -> dict[str, LabImage]:
    """The images of a lesson's endpoints, by slug. logins: the folders of a lab that is up already.

    Raises LabwrightError (config) with all that are missing.
    """
    found, missing = {}, []
    folders = logins or image_folders(lesson.folder)
    for slug in dict.fromkeys(endpoint.image for endpoint in lesson.spec.endpoints):
        try:
            found[slug] = find_image(slug, out, folders)
        except LabwrightError as error:
            missing.append(error)
    if missing:
        first = missing[0]
        raise LabwrightError(
            first.what,
            cause=first.cause,
            details=[*first.details, *(f"{error.what}; {error.hint}" for error in missing[1:])],
            hint=first.hint,
        )
    return found


@contextlib.contextmanager
def workbench(running: Session, name: str, step: str = "") -> Iterator[Workbench]:
    """A workbench with a scratch folder; its words are events."""
    workshop = running.workshop
    workshop.paths.ensure()
    started = time.monotonic()

    def say(text: str) -> None:
        workshop.emit(Event("progress", name, step, text=text, seconds=time.monotonic() - started))

    with scratch_folder(workshop.paths, workshop.ledger) as scratch:
        yield workshop.runner(name).workbench(scratch, say, scratch / "log")


@contextlib.contextmanager
def alone(lesson: Path, running: Session) -> Iterator[None]:
    """No other command changes this lab meanwhile. Raises LabwrightError (config) where one does."""
    paths = running.workshop.paths
    paths.ensure()
    folder = folder_of(lesson, paths)
    with locks.exclusive(folder.with_name(f"{folder.name}.lock"), _refuse):
        yield


def _refuse() -> None:
    raise LabwrightError(
        "another command is at work on this lab",
        cause=Cause.CONFIG,
        hint="wait for it, end it by Ctrl-C, or end the lab: labwright lesson down",
    )


def logs_of(lab: Lab, running: Session) -> Path:
    """Where the output of jobs stays, after the lab has ended too."""
    return running.workshop.paths.logs / f"lesson-{lab.folder.name}"
