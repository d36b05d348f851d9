"""What is sent to a registry: bytes in memory and pieces of files, one after the other, never copied together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labwright.errors import Cause, LabwrightError, os_error

AT_ONCE = 1 << 20
"""Bytes that are read of a file at a time."""


@dataclass(frozen=True)
class Piece:
    """A part of a file. offset, size: in bytes."""

    path: Path
    offset: int
    size: int

    @classmethod
    def whole(cls, path: Path) -> Piece:
        """All of a file as it is now. Raises OSError."""
        return cls(path, 0, path.stat().st_size)


Part = bytes | Piece


@dataclass(frozen=True)
class Blob:
    """Content with its digest (`sha256:` and 64 hexadecimal digits) and size in bytes."""

    parts: tuple[Part, ...] = field(repr=False)
    size: int
    digest: str

    @classmethod
    def of(cls, *parts: Part, digest: str = "") -> Blob:
        """A blob of these parts. digest: where it is known already; else everything is read for it.

        Raises LabwrightError (host) for a file that cannot be read.
        """
        return cls(parts, sum(_size(part) for part in parts), digest or f"sha256:{_hash(_all(parts))}")

    def read(self, offset: int = 0, size: int | None = None) -> Iterator[bytes]:
        """At most `size` bytes from `offset` on. Raises LabwrightError (host), also when a file has become shorter."""
        return _all(_cut(self.parts, offset, self.size - offset if size is None else size))

    def content(self) -> bytes:
        """All of it, for small ones."""
        return b"".join(self.read())


def digest_of(data: bytes) -> str:
    """The digest of bytes as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _size(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else part.size


def _cut(parts: Iterable[Part], offset: int, size: int) -> Iterator[Part]:
    """The parts that hold these bytes, and of the first and last only what is in the range."""
    for part in parts:
        length = _size(part)
        if offset >= length:
            offset -= length
            continue
        taken = min(length - offset, size)
        if taken <= 0:
            return
        yield (
            part[offset : offset + taken] if isinstance(part, bytes) else Piece(part.path, part.offset + offset, taken)
        )
        offset, size = 0, size - taken


def _all(parts: Iterable[Part]) -> Iterator[bytes]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
        else:
            yield from _of_file(part)


def _of_file(piece: Piece) -> Iterator[bytes]:
    left = piece.size
    try:
        with piece.path.open("rb") as stream:
            stream.seek(piece.offset)
            while left:
                data = stream.read(min(left, AT_ONCE))
                if not data:
                    raise LabwrightError(
                        f"{piece.path} has become shorter while it was read",
                        cause=Cause.HOST,
                        hint="wait until the build that writes it has ended",
                    )
                left -= len(data)
                yield data
    except OSError as error:
        raise os_error(error, f"{piece.path} cannot be read") from error


def _hash(data: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in data:
        digest.update(part)
    return digest.hexdigest()
