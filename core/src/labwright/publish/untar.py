"""Files out of a layer (a tar archive, packed by gzip or not) that may be made to harm.

Not by tarfile's own reading: that takes an extended header or a map of holes into memory, whatever size it claims. Its
parser of one header is used. What `publish` does not write, and no copying does, is refused.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

RATIO, SLACK = 64, 64 << 20
"""A qcow2 of ours is packed already: what becomes much larger by unpacking is a bomb."""
LARGEST_EXTENDED = 64 << 10
AT_ONCE = 1 << 20
GZIP = b"\x1f\x8b"
BLOCK = tarfile.BLOCKSIZE
LENGTH = re.compile(rb"([1-9][0-9]{0,5}) ")
NEVER = {tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
         tarfile.GNUTYPE_SPARSE}  # fmt: skip


class BadArchive(ValueError):
    """Why a layer is not unpacked: words that go on after its name."""


@dataclass
class Entry:
    """One entry of an archive. size: bytes of a file's content, which read() gives, once and before the next entry."""

    name: str
    size: int
    type: bytes
    _stream: _Counted = field(repr=False)
    _left: int = 0

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file."""
        return self.type == tarfile.REGTYPE

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.type == tarfile.DIRTYPE

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, all by default; none at the end. Raises BadArchive."""
        data = self._stream.exactly(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def entries(layer: Path) -> Iterator[Entry]:
    """The entries of an archive in their order. What of a content was not read is skipped.

    Raises BadArchive: for what is no archive, or comes to much more than went in (see RATIO); and OSError.
    """
    largest = RATIO * layer.stat().st_size + SLACK
    with layer.open("rb") as packed:
        is_gzip = packed.read(len(GZIP)) == GZIP
        packed.seek(0)
        stream = _Counted(gzip.GzipFile(fileobj=packed) if is_gzip else packed, largest)
        extended: dict[str, bytes] = {}
        while (info := _header(stream)) is not None:
            size = _size(info, extended)
            if size > stream.left:
                raise BadArchive("unpacks to much more than went in")
            if info.type == tarfile.XHDTYPE:
                if size > LARGEST_EXTENDED:
                    raise BadArchive("has an extended header that is too large")
                extended = _records(stream.exactly(size))
                _skip(stream, -size % BLOCK)
                continue
            name = extended.get("path", b"").decode("utf-8", "surrogateescape") or info.name
            extended = {}
            entry = Entry(name, size, info.type, stream, size)
            yield entry
            _skip(stream, entry._left + -size % BLOCK)


def _header(stream: _Counted) -> tarfile.TarInfo | None:
    """The next header, None at the end."""
    first = not stream.count
    block = stream.at_most(BLOCK)
    if block == bytes(BLOCK) or (not block and not first):
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError as error:
        raise BadArchive("is no tar archive") from error
    if info.type in NEVER or (info.size and info.type not in {tarfile.REGTYPE, tarfile.XHDTYPE}):
        raise BadArchive("has an entry of a type that is not published")
    return info


def _size(info: tarfile.TarInfo, extended: dict[str, bytes]) -> int:
    said = extended.get("size", b"")
    if said and (not said.isdigit() or len(said) > 16):
        raise BadArchive("has an entry whose size is no number")
    size = int(said) if said and info.type == tarfile.REGTYPE else info.size
    if size < 0:
        raise BadArchive("has an entry whose size is no number")
    return size


def _records(data: bytes) -> dict[str, bytes]:
    """What an extended header says (POSIX, pax, pax Extended Header)."""
    found: dict[str, bytes] = {}
    place = 0
    while place < len(data):
        length = LENGTH.match(data, place)
        end = place + int(length[1]) if length else 0
        key, equals, value = data[length.end() : end - 1].partition(b"=") if length else (b"", b"", b"")
        if not equals or not key or end > len(data) or data[end - 1 : end] != b"\n":
            raise BadArchive("has an extended header that cannot be read")
        if key.startswith(b"GNU.sparse"):
            raise BadArchive("has a file with holes, which is not published")
        found[key.decode("utf-8", "replace")] = value
        place = end
    return found


def _skip(stream: _Counted, size: int) -> None:
    while size:
        size -= len(stream.exactly(min(size, AT_ONCE)))


class _Counted:
    """A stream that ends in an error after so many bytes."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, largest: int) -> None:
        self._stream = stream
        self._largest = largest
        self.count = 0

    @property
    def left(self) -> int:
        """Bytes that may come still."""
        return self._largest - self.count

    def at_most(self, size: int) -> bytes:
        """So many bytes, fewer only at the end."""
        if size > self.left:
            raise BadArchive("unpacks to much more than went in")
        try:
            data = self._stream.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise BadArchive("is no tar archive that can be unpacked") from error
        self.count += len(data)
        return data

    def exactly(self, size: int) -> bytes:
        """So many bytes."""
        data = self.at_most(size)
        if len(data) < size:
            raise BadArchive("is no whole tar archive: it ends early")
        return data
