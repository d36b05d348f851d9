"""The files of a lesson that machines and jobs get: all but hidden ones at the top."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.lesson.limits import DEEPEST, LARGEST

UNREAD = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
"""A pipe would keep us waiting for its writer."""


@dataclass(frozen=True)
class Entry:
    """A file, folder or link, or something else. name: relative to the lesson. why: it cannot be had, in words."""

    path: Path
    name: str
    mode: int
    size: int
    why: str = ""

    @property
    def is_link(self) -> bool:
        """Whether it is one, wherever it leads."""
        return stat.S_ISLNK(self.mode)

    @property
    def is_carried(self) -> bool:
        """Whether a machine gets it."""
        return self.is_link or stat.S_ISREG(self.mode) or stat.S_ISDIR(self.mode)


def walk(lesson: Path) -> Iterator[Entry]:
    """Everything, a folder before what is in it. Nothing is raised for what is there."""
    waiting = [(lesson, 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            with os.scandir(folder) as found:
                names = sorted(entry.name for entry in found)
        except OSError as error:
            yield _entry(folder, lesson, error.strerror or "it is no folder")
            continue
        for name in names:
            if depth or not name.startswith("."):
                entry = _entry(folder / name, lesson)
                if stat.S_ISDIR(entry.mode):
                    if depth < DEEPEST:
                        waiting.append((entry.path, depth + 1))
                    else:
                        entry = _entry(entry.path, lesson, f"it is nested more than {DEEPEST} levels deep")
                yield entry


def _entry(path: Path, lesson: Path, why: str = "") -> Entry:
    name = str(path.relative_to(lesson))
    try:
        facts = path.lstat()
        if stat.S_ISREG(facts.st_mode) and not why:
            os.close(os.open(path, UNREAD))
    except OSError as error:
        return Entry(path, name, 0, 0, error.strerror or "it is not there")
    return Entry(path, name, facts.st_mode, facts.st_size, why)


def lesson_files(lesson: Path) -> Iterator[tuple[Path, str]]:
    """What machines get, each with its name in the lesson.

    Raises LabwrightError (config) for what is too large or cannot be read, and for a link that leads out of the lesson.
    """
    total, root = 0, lesson.resolve()
    yield lesson, ""
    for entry in walk(lesson):
        if entry.why:
            raise LabwrightError(
                f"{entry.path} cannot be read: {entry.why}", cause=Cause.CONFIG, hint="mend its owner and mode"
            )
        # Not resolve(): up to Python 3.12 it fails for a link that leads to itself.
        if entry.is_link and not Path(os.path.realpath(entry.path)).is_relative_to(root):
            raise LabwrightError(
                f"{entry.path} is a link that leads out of the lesson",
                cause=Cause.CONFIG,
                hint="put the file itself there",
            )
        total += entry.size
        if total > LARGEST:
            raise LabwrightError(
                f"the files of {lesson} are larger than {LARGEST >> 20} MiB",
                cause=Cause.CONFIG,
                hint="they are copied to every machine of the lesson: put large ones into its images",
            )
        if entry.is_carried:
            yield entry.path, entry.name


def check_files(lesson: Path) -> None:
    """Raise what lesson_files() would, before machines wait for it."""
    for _ in lesson_files(lesson):
        pass
