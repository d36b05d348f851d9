"""The content of a raw disk in blocks, and where to cut it so that equal content is cut equally wherever it stands."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = 4096
AT_ONCE = 1 << 20
EMPTY = bytes(BLOCK)
MIBIBYTE = 1 << 20
SMALLEST = 4 * MIBIBYTE
MOST_PIECES = 56
"""Docker's overlay driver takes 128 layers, a registry's manifest any number: this leaves room for both."""
DIRECTORY_TAIL = b"\0\0\0\0\x0c\0\0\xde"
"""The entry at the end of each block of an ext4 directory that holds its checksum (kernel, ext4_dir_entry_tail)."""
JOINED = 256
"""Empty blocks between two full ones that are kept with them: QEMU opens a file for each range."""


@dataclass(frozen=True)
class Block:
    """A block that is not empty. place: bytes from the beginning of the disk."""

    place: int
    data: bytes

    @property
    def directory(self) -> bool:
        """Whether it looks like one of a directory: 1 MB in 200 that a new file anywhere changes everywhere."""
        return self.data[-12:-4] == DIRECTORY_TAIL


@dataclass(frozen=True)
class Span:
    """Blocks in a row on the disk. place, size: in bytes."""

    place: int
    size: int


@dataclass(frozen=True)
class Cut:
    """A piece of a disk: its spans, one after the other in one file."""

    spans: tuple[Span, ...]
    data: bytes


def full_blocks(raw: Path) -> Iterator[Block]:
    """The blocks of a raw disk that are not empty; holes of the file are not read. Raises OSError."""
    descriptor = os.open(raw, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size, position = os.fstat(descriptor).st_size, 0
        while position < size:
            try:
                position = os.lseek(descriptor, position, os.SEEK_DATA) // BLOCK * BLOCK
            except OSError:
                return
            end = os.lseek(descriptor, position, os.SEEK_HOLE)
            while position < end:
                data = os.pread(descriptor, AT_ONCE, position)
                yield from _blocks(data, position)
                position += len(data)
    finally:
        os.close(descriptor)


def _blocks(data: bytes, position: int) -> Iterator[Block]:
    for at in range(0, len(data), BLOCK):
        one = data[at : at + BLOCK]
        if one != EMPTY:
            yield Block(position + at, one.ljust(BLOCK, b"\0"))


def target(used: int) -> int:
    """The mean size of pieces for disks with this many bytes in all: a power of two, so that it seldom changes."""
    size = SMALLEST
    while used > size * MOST_PIECES:
        size *= 2
    return size


def cut(blocks: Iterable[Block], mean: int) -> Iterator[Cut]:
    """Pieces of half to four times the mean size, which end behind a block whose own content says so.

    mean: bytes, a power of two. What is before and behind a piece has no part in it, so an unchanged file is in an
    unchanged piece again soon after one that has changed.
    """
    mask = mean // BLOCK - 1
    spans: list[Span] = []
    data = bytearray()
    for block in blocks:
        if spans and 0 < (gap := block.place - spans[-1].place - spans[-1].size) <= JOINED * BLOCK:
            data += bytes(gap)
            spans[-1] = Span(spans[-1].place, spans[-1].size + gap)
        data += block.data
        if spans and spans[-1].place + spans[-1].size == block.place:
            spans[-1] = Span(spans[-1].place, spans[-1].size + BLOCK)
        else:
            spans.append(Span(block.place, BLOCK))
        if len(data) >= 4 * mean or (2 * len(data) >= mean and zlib.crc32(block.data) & mask == 0):
            yield _taken(spans, data)
    if spans:
        yield _taken(spans, data)


def _taken(spans: list[Span], data: bytearray) -> Cut:
    """Emptied before it is handed on: a large piece is in memory once."""
    piece = Cut(tuple(spans), bytes(data))
    spans.clear()
    data.clear()
    return piece
