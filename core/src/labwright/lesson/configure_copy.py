"""A fresh copy of a lesson for each job: what a job does to it is seen by nobody else and is gone with it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from labwright.errors import Cause, LabwrightError, os_error

PLATFORM_FOLDER = Path("/antidote")


def copy_lesson(lesson: Path, destination: Path, seen_at: Path | None, say: Callable[[str], None]) -> None:
    """Copy a lesson's folder; top-level names that begin with a dot stay out, as on the platform.

    seen_at: where jobs see the copy. Execute bits and times are kept. Links are kept where they stay inside; what is
    neither file, folder nor link is left out, with a word. Files share blocks where the file system can, but no file is
    a hard link: a job that writes into one must not change the lesson. Raises LabwrightError (disk full, host).
    """
    root = lesson.resolve()
    left: list[str] = []
    try:
        _copy_folder(root, destination, root, seen_at, left, top=True)
    except RecursionError as error:
        raise LabwrightError(
            f"the folder {lesson} is nested too deeply", cause=Cause.CONFIG, hint="it is to hold one lesson"
        ) from error
    except OSError as error:
        raise os_error(error, "the lesson cannot be copied") from error
    for name in left:
        say(f"not copied: {name}")


def _copy_folder(
    source: Path, destination: Path, root: Path, seen_at: Path | None, left: list[str], top: bool = False
) -> None:
    destination.mkdir(mode=0o700)
    with os.scandir(source) as entries:
        for entry in entries:
            if top and entry.name.startswith("."):
                continue
            place, target = Path(entry.path), destination / entry.name
            if entry.is_symlink():
                if not _copy_link(place, target, root, seen_at):
                    left.append(f"{place.relative_to(root)}, a link that leads out of the lesson")
            elif entry.is_dir():
                _copy_folder(place, target, root, seen_at, left)
            elif entry.is_file():
                _copy_file(place, target)
            else:
                left.append(f"{place.relative_to(root)}, neither file nor folder")
    _keep_facts(source, destination, 0o700)


def _copy_link(source: Path, target: Path, root: Path, seen_at: Path | None) -> bool:
    leads = source.readlink()
    if leads.is_absolute():
        # One into the lesson where its author has it would let a job change the original.
        inside = leads.is_relative_to(seen_at or PLATFORM_FOLDER) and ".." not in leads.parts
    else:
        inside = _stays(leads, source.parent, root)
    if inside:
        target.symlink_to(leads)
    return inside


def _stays(leads: Path, folder: Path, root: Path) -> bool:
    """Whether a relative link in a folder never leaves the root: neither by its words, which must not come back by the
    lesson's name since the copy has another, nor by other links.
    """
    depth = len(folder.relative_to(root).parts)
    for part in leads.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    try:
        return (folder / leads).resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def _copy_file(source: Path, target: Path) -> None:
    # A pipe that was put in its place meanwhile must not hold us.
    with open(source, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)) as stream:
        size = os.fstat(stream.fileno()).st_size
        with target.open("xb") as copy:
            try:
                while size > 0 and (done := os.copy_file_range(stream.fileno(), copy.fileno(), size)):
                    size -= done
            except OSError:
                stream.seek(0)
                copy.seek(0)
                copy.truncate()
                shutil.copyfileobj(stream, copy)
    _keep_facts(source, target, 0o600)


def _keep_facts(source: Path, target: Path, least: int) -> None:
    facts = source.stat()
    target.chmod(stat.S_IMODE(facts.st_mode) & 0o777 | least)
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
