"""A fresh copy of a lesson for each job: what a job does to it is seen by nobody else and is gone with it."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labwright.errors import Cause, LabwrightError, os_error

PLATFORM_FOLDER = Path("/antidote")
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of ours is made in it, with a name that nobody knows before
SMALL = 256 * 1024
"""Bytes of a file that is read once for all copies."""
LARGEST_KEPT = 32 * 1024 * 1024
"""Bytes of all such files of a lesson."""
LARGEST_IN_MEMORY = 256 * 1024 * 1024
"""Bytes of all copies of a stage, where they lie in memory."""
BLOCK = 4096
NAMELESS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
WRITTEN = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


@dataclass(frozen=True)
class Item:
    """One name of a lesson. path: relative to it. leads: where a link does. content: of a small file, None: read it."""

    path: str
    kind: Literal["folder", "file", "link"]
    mode: int = 0
    times: tuple[int, int] = (0, 0)
    size: int = 0
    leads: str = ""
    content: bytes | None = None


@dataclass(frozen=True)
class Survey:
    """What a copy of a lesson has, looked at once for a hundred copies. left_out: what no copy has, and why.

    A folder comes before what is in it.
    """

    root: Path
    items: tuple[Item, ...]
    left_out: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes that a copy takes."""
        return sum(-(-item.size // BLOCK) * BLOCK + BLOCK for item in self.items)

    def copy_to(self, destination: Path) -> None:
        """Make a copy. Files share blocks where the file system can, but none is a hard link: a job that writes into
        one must not change the lesson. Raises LabwrightError (disk full, host).
        """
        place = f"{destination}/"
        try:
            destination.mkdir(mode=0o700)
            for item in self.items:
                if item.kind == "folder":
                    os.mkdir(place + item.path, 0o700)  # noqa: PTH102 - a hundred copies: paths as objects cost most
                elif item.kind == "link":
                    Path(place + item.path).symlink_to(item.leads)
                else:
                    self._write(item, place + item.path)
            # Last, and from within: writing into a folder changes its time, and one may not be writable.
            for item in reversed(self.items):
                if item.kind == "folder":
                    os.chmod(place + item.path, item.mode)  # noqa: PTH101
                    os.utime(place + item.path, ns=item.times)
        except OSError as error:
            raise os_error(error, "the lesson cannot be copied") from error

    def _write(self, item: Item, target: str) -> None:
        with os.fdopen(os.open(target, WRITTEN, 0o600), "wb") as copy:
            if item.content is not None:
                copy.write(item.content)
            else:
                with open(self.root / item.path, "rb", opener=_opened) as original:
                    _pour(original.fileno(), copy.fileno(), item.size)
            # Before its times: writing sets them.
            copy.flush()
            os.fchmod(copy.fileno(), item.mode)
            os.utime(copy.fileno(), ns=item.times)


def survey_lesson(lesson: Path, seen_at: Path | None) -> Survey:
    """Look at a lesson's folder; top-level names that begin with a dot stay out, as on the platform.

    seen_at: where jobs see their copy. Execute bits and times are kept. Links are kept where they stay inside; what is
    neither file, folder nor link is left out. Raises LabwrightError (config, host).
    """
    items: list[Item] = []
    left_out: list[str] = []
    try:
        root = lesson.resolve()
        _look(root, root, seen_at or PLATFORM_FOLDER, items, left_out)
    except RecursionError as error:
        raise LabwrightError(
            f"the folder {lesson} is nested too deeply", cause=Cause.CONFIG, hint="it is to hold one lesson"
        ) from error
    except OSError as error:
        raise os_error(error, "the lesson cannot be copied") from error
    return Survey(root, tuple(items), tuple(left_out))


def place_for_copies(survey: Survey, copies: int, scratch: Path) -> Path:
    """A folder in which to put so many copies: in memory if they are small, where making a file costs a hundredth."""
    needed = survey.size * copies
    try:
        facts = os.statvfs(MEMORY)
        # Docker mounts it so that no program in there can be run, and lessons have programs.
        fit = not facts.f_flag & os.ST_NOEXEC and needed < facts.f_bavail * facts.f_frsize // 4
        fit = fit and needed < LARGEST_IN_MEMORY and os.access(MEMORY, os.W_OK) and _is_tmpfs(MEMORY)
    except OSError:
        return scratch
    return MEMORY if fit else scratch


def _is_tmpfs(folder: Path) -> bool:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    kinds = [words[2] for words in map(str.split, lines) if words[1:2] == [str(folder)]]
    return kinds[-1:] == ["tmpfs"]


def _look(folder: Path, root: Path, seen_at: Path, items: list[Item], left_out: list[str]) -> None:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    kept = sum(len(item.content or b"") for item in items)
    for entry in found:
        if folder == root and entry.name.startswith("."):
            continue
        place = Path(entry.path)
        path = str(place.relative_to(root))
        facts = entry.stat(follow_symlinks=False)
        mode, times = stat.S_IMODE(facts.st_mode) & 0o777, (facts.st_atime_ns, facts.st_mtime_ns)
        if stat.S_ISLNK(facts.st_mode):
            leads = os.readlink(place)  # noqa: PTH115 - as it is written
            if _stays(Path(leads), folder, root, seen_at):
                items.append(Item(path, "link", leads=leads))
            else:
                left_out.append(f"{path}, a link that leads out of the lesson")
        elif stat.S_ISDIR(facts.st_mode):
            items.append(Item(path, "folder", mode | 0o700, times))
            _look(place, root, seen_at, items, left_out)
        elif stat.S_ISREG(facts.st_mode):
            content = _content(place) if facts.st_size <= SMALL and kept < LARGEST_KEPT else None
            kept += len(content or b"")
            items.append(Item(path, "file", mode | 0o600, times, facts.st_size, content=content))
        else:
            left_out.append(f"{path}, neither file nor folder")


def _stays(leads: Path, folder: Path, root: Path, seen_at: Path) -> bool:
    """Whether a link in a folder never leaves the root: neither by its words, which must not come back by the lesson's
    name since the copy has another, nor by other links.
    """
    if leads.is_absolute():
        # One into the lesson where its author has it would let a job change the original.
        return leads.is_relative_to(seen_at) and ".." not in leads.parts
    depth = len(folder.relative_to(root).parts)
    for part in leads.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    try:
        return (folder / leads).resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def _opened(path: str, flags: int) -> int:
    """A pipe or a link that was put in a file's place meanwhile must not hold us, nor lead us out."""
    del flags
    return os.open(path, NAMELESS)


def _content(place: Path) -> bytes | None:
    with open(place, "rb", opener=_opened) as stream:
        content = stream.read(SMALL + 1)
    return content if len(content) <= SMALL else None


def _pour(source: int, target: int, size: int) -> None:
    try:
        while size > 0 and (done := os.copy_file_range(source, target, size)):
            size -= done
    except OSError:
        os.lseek(source, 0, os.SEEK_SET)
        os.lseek(target, 0, os.SEEK_SET)
        os.ftruncate(target, 0)
        with open(source, "rb", closefd=False) as stream, open(target, "wb", closefd=False) as copy:
            shutil.copyfileobj(stream, copy)
