"""Zip archives: one disk in them, or the pieces of one."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from labwright.foreign import descriptor, unwrap
from labwright.foreign.formats import claimed
from labwright.foreign.model import Limits
from labwright.foreign.reader import DAMAGED, Reader

LARGEST_DIRECTORY = 4 << 20
"""Bytes that Python's module may read at once: it takes the whole directory of an archive into memory."""
MOST_MEMBERS = 4096
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
DISKS = ("qcow2", "vmdk", "vdi", "vpc", "vhdx", "raw", "ova")
DOCUMENTS = {
    "word/": "a Word document (docx)", "xl/": "a table (xlsx)", "ppt/": "slides (pptx)", "mimetype": "a document",
    "META-INF/": "a Java archive", "AndroidManifest.xml": "an Android program",
}  # fmt: skip
BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, OSError,
          ValueError, KeyError, IndexError, OverflowError, struct.error)  # fmt: skip
"""What Python's module raises for damaged input; names that are no Unicode are a ValueError."""


class _Bounded:
    """A file for zipfile that reads only so much at once."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, count: int = -1) -> bytes:
        """As of a file. Raises zipfile.BadZipFile for too much at once."""
        data = self._stream.read(min(count, LARGEST_DIRECTORY + 1) if count >= 0 else LARGEST_DIRECTORY + 1)
        if len(data) > LARGEST_DIRECTORY:
            raise zipfile.BadZipFile("its directory is too large")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of a file."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """As of a file."""
        return self._stream.tell()

    def seekable(self) -> bool:
        """As of a file."""
        return True


@dataclass(frozen=True)
class Chosen:
    """The member that is the disk, and all that belong to it, itself among them."""

    main: str
    all: tuple[str, ...]


def head(reader: Reader) -> tuple[str, bytes]:
    """The name of the disk in an archive, and its first bytes."""
    with _opened(reader) as archive:
        chosen = _choose(reader, archive)
        data = b"".join(_content(reader, archive, chosen.main, unwrap.HEAD))
        return PurePosixPath(chosen.main).name, data


def unpack(reader: Reader, folder: Path, limits: Limits) -> Path:
    """Write the disk, and its pieces if it has any, into an empty folder. Returns the disk's path."""
    with _opened(reader) as archive:
        chosen = _choose(reader, archive)
        # By the size of the archive: what it says of its members is its own word.
        left = unwrap.allowed(reader.size, limits)
        for name in chosen.all:
            left -= unwrap.write(_content(reader, archive, name), folder / PurePosixPath(name).name, left, reader)
        return folder / PurePosixPath(chosen.main).name


def _opened(reader: Reader) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(_Bounded(reader.stream))
    except BROKEN as error:
        raise reader.refuse(f"it is no sound zip archive ({error})", DAMAGED) from error
    _check_members(reader, archive.infolist())
    return archive


def _check_members(reader: Reader, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        raise reader.refuse(f"it has {len(members)} members", "pack the disk alone")
    seen = set()
    for member in members:
        name = member.orig_filename
        parts = name.rstrip("/").split("/")
        if not name.isprintable() or "\\" in name or set(parts) & {"", ".", ".."} or len(parts[-1].encode()) > 255:
            raise reader.refuse(f"its member {name!r} leads out of the archive", "pack the disk again, alone")
        if name in seen:
            raise reader.refuse(f"it has the member {name!r} twice", "pack the disk again, alone")
        seen.add(name)
        kind = member.external_attr >> 16
        if stat.S_IFMT(kind) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise reader.refuse(f"its member {name!r} is no file (a link or a device)", "pack the disk again, alone")


def _choose(reader: Reader, archive: zipfile.ZipFile) -> Chosen:
    names = [member.filename for member in archive.infolist() if not member.is_dir()]
    disks = [name for name in names if PurePosixPath(name).suffix and claimed(name) in DISKS]
    if not disks:
        what = next((words for start, words in DOCUMENTS.items() for name in names if name.startswith(start)), "")
        raise reader.refuse(f"it is a zip archive with no disk image{f': {what}' if what else ''}",
                            "name the image of a disk, or an archive that holds one")  # fmt: skip
    chosen = Chosen(disks[0], (disks[0],)) if len(disks) == 1 else _split(reader, archive, disks)
    for name in chosen.all:
        member = archive.getinfo(name)
        if member.flag_bits & ENCRYPTED:
            raise reader.refuse(f"its member {name!r} is encrypted", "unpack it with its password, and name the disk")
        if member.compress_type not in METHODS:
            raise reader.refuse(f"its member {name!r} is packed in a way that is not known", "pack it by deflate")
    return chosen


def _split(reader: Reader, archive: zipfile.ZipFile, disks: list[str]) -> Chosen:
    """The descriptor among the pieces of a vmdk."""
    folders = {PurePosixPath(name).parent for name in disks}
    if len(folders) == 1 and all(claimed(name) == "vmdk" for name in disks):
        small = [name for name in disks if archive.getinfo(name).file_size <= descriptor.LARGEST]
        mains = [name for name in small if _begins_with_descriptor(reader, archive, name)]
        if len(mains) == 1:
            return Chosen(mains[0], tuple(disks))
    listed = ", ".join(sorted(disks)[:8]) + (", ..." if len(disks) > 8 else "")
    raise reader.refuse(f"it holds {len(disks)} disks: {listed}", "unpack it and name one of them")


def _begins_with_descriptor(reader: Reader, archive: zipfile.ZipFile, name: str) -> bool:
    if archive.getinfo(name).flag_bits & ENCRYPTED:
        return False
    data = b"".join(_content(reader, archive, name, len(descriptor.START)))
    return data.startswith(descriptor.START)


def _content(reader: Reader, archive: zipfile.ZipFile, name: str, most: int = -1) -> Iterator[bytes]:
    try:
        with archive.open(name) as stream:
            left = most
            while piece := stream.read(unwrap.CHUNK if most < 0 else min(unwrap.CHUNK, left)):
                yield piece
                left -= len(piece)
    except BROKEN as error:
        raise reader.refuse(f"its member {name!r} cannot be unpacked ({error})", DAMAGED) from error
