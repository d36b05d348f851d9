"""Reading what a stranger wrote: a few bytes at places that their headers name, never more and never past the end."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from labwright.errors import LabwrightError
from labwright.foreign.model import in_words, refusal

LARGEST_READ = 64 << 20
"""Bytes of one table; the largest disk that any of the formats can describe sensibly needs less."""

DAMAGED = "it is damaged or was cut off: get it again"
KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"), (stat.S_ISCHR, "a character device"), (stat.S_ISLNK, "a symbolic link"),
)  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """A file, or the beginning of one. name: for messages. path: where it is, if it is a file of its own.

    whole: whether the size is the file's, so that what lies beyond it is missing.
    """

    name: str
    stream: BinaryIO
    size: int
    path: Path | None = None
    whole: bool = True

    def head(self, count: int) -> bytes:
        """The first bytes, as many as there are."""
        return self._read(0, min(count, self.size))

    def at(self, offset: int, count: int, what: str) -> bytes:
        """Exactly these bytes. what: the words for them. Raises LabwrightError (config) where they are not there."""
        if count > LARGEST_READ:
            raise self.refuse(f"its {what} has {in_words(count)}, which no sound image has", DAMAGED)
        self.need(offset, count, what)
        data = self._read(offset, count)
        if len(data) != count:
            raise self.refuse(f"its {what} cannot be read to the end", DAMAGED)
        return data

    def need(self, offset: int, count: int, what: str) -> None:
        """Raise LabwrightError (config) unless these bytes are in the file."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise self.refuse(f"its {what} would be at byte {offset}, outside of the file ({self.size} bytes)", DAMAGED)

    def numbers(self, offset: int, count: int, code: Literal["I", "Q"], what: str, big: bool = False) -> array[int]:
        """A table of 32-bit (I) or 64-bit (Q) numbers; big: big-endian."""
        table = array(code)
        table.frombytes(self.at(offset, count * table.itemsize, what))
        if (sys.byteorder == "big") != big:
            table.byteswap()
        return table

    def stamp(self) -> tuple[int, ...]:
        """What changes when the file is written to, or another is put in its place."""
        return _stamp(os.fstat(self.stream.fileno()))

    def refuse(self, why: str, remedy: str) -> LabwrightError:
        """The error that says why this file is not taken."""
        return refusal(self.name, why, remedy)

    def _read(self, offset: int, count: int) -> bytes:
        try:
            self.stream.seek(offset)
            return self.stream.read(count)
        except OSError as error:
            raise unreadable(self.name, error) from error


@contextlib.contextmanager
def opened(path: Path, name: str = "", follow: bool = True) -> Iterator[Reader]:
    """A regular file, for reading. follow: whether the path may be a symbolic link.

    Raises LabwrightError (config) for what is something else; a pipe or a device is not waited for or touched.
    """
    label = name or str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    except (OSError, ValueError) as error:
        raise _not_opened(path, label, error) from error
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise _no_file(label, facts.st_mode)
    with os.fdopen(descriptor, "rb") as stream:
        if facts.st_size == 0:
            raise refusal(label, "it is empty", "get it again: nothing of it has arrived")
        yield Reader(label, stream, facts.st_size, path)


def beginning(name: str, data: bytes) -> Reader:
    """The first bytes of something that is longer."""
    return Reader(name, io.BytesIO(data), len(data), whole=False)


def stamp(path: Path) -> tuple[int, ...]:
    """The same of a file by its path."""
    return _stamp(path.stat())


def _stamp(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def unreadable(name: object, error: OSError) -> LabwrightError:
    """The error for a file that the system does not let us read."""
    return refusal(name, f"it cannot be read ({error.strerror or error})", "check the path and its permissions")


def _not_opened(path: Path, label: str, error: OSError | ValueError) -> LabwrightError:
    if not isinstance(error, OSError):
        return refusal(label, f"it is no path ({error})", "check the path")
    with contextlib.suppress(OSError, ValueError):
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) and (error.errno == errno.ELOOP or not stat.S_ISLNK(mode)):
            return _no_file(label, mode)
    return unreadable(label, error)


def _no_file(label: str, mode: int) -> LabwrightError:
    words = next((words for test, words in KINDS if test(mode)), "no file")
    return refusal(label, f"it is {words}, not a file", "name the image file itself; a device can be copied to one")
