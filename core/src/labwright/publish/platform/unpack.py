"""The files of a gzipped tar layer from outside, in no more memory than a block of it takes.

tarfile reads what describes its archive whatever size it claims (a pax header of 800 MB packs to 400 kB), and keeps
each entry that it has seen. A layer of ours needs neither: it has folders and plain files, with short names.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RATIO, SLACK = 64, 64 << 20
"""A disk packs to a third: what becomes much larger by unpacking is a bomb."""
AT_ONCE = 1 << 20
NO_ARCHIVE = "one of its layers is no packed tar archive"
KINDS = {tarfile.REGTYPE, tarfile.DIRTYPE}


class Unsound(ValueError):
    """A layer that is refused. The message says why."""


@dataclass
class Allowance:
    """Bytes that layers may still unpack to, and what is put together of them."""

    left: int

    @classmethod
    def of(cls, packed: int) -> Allowance:
        """For layers of so many bytes together."""
        return cls(RATIO * packed + SLACK)

    def take(self, count: int) -> None:
        """Raises Unsound where there is no more."""
        self.left -= count
        if self.left < 0:
            raise Unsound("much more comes out of its layers than went in")


@dataclass(frozen=True)
class File:
    """A plain file. chunks: its content, to be read once, before the next file is asked for."""

    name: str
    size: int
    chunks: Iterator[bytes]


def files(layer: Path, allowance: Allowance) -> Iterator[File]:
    """The plain files of a layer. All that is unpacked is taken from the allowance. Raises Unsound and OSError."""
    with gzip.open(layer) as stream:
        while (entry := _entry(_exactly(stream, tarfile.BLOCKSIZE, allowance))) is not None:
            if entry.type == tarfile.REGTYPE:
                chunks = _chunks(stream, entry.size, allowance)
                yield File(entry.name, entry.size, chunks)
                for _ in chunks:
                    pass
                _exactly(stream, -entry.size % tarfile.BLOCKSIZE, allowance)


def _entry(block: bytes) -> tarfile.TarInfo | None:
    """A file or folder; None behind the last one."""
    if not any(block):
        return None
    try:
        entry = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise Unsound(NO_ARCHIVE) from error
    # Entries that say something of others, such as another size, are not followed, so none may be there.
    if entry.type not in KINDS or entry.size < 0 or (entry.size and entry.type == tarfile.DIRTYPE):
        raise Unsound("its layers hold something else than folders and plain files")
    return entry


def _chunks(stream: gzip.GzipFile, size: int, allowance: Allowance) -> Iterator[bytes]:
    while size:
        data = _exactly(stream, min(size, AT_ONCE), allowance)
        size -= len(data)
        yield data


def _exactly(stream: gzip.GzipFile, count: int, allowance: Allowance) -> bytes:
    """count: at most AT_ONCE."""
    allowance.take(count)
    try:
        data = stream.read(count)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unsound(NO_ARCHIVE) from error
    if len(data) != count:
        raise Unsound(NO_ARCHIVE)
    return data
