"""Compressed files, unpacked as a stream: what comes out is counted, and what is empty takes no space."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from labwright.errors import Cause, LabwrightError, os_error
from labwright.foreign.confine import OUT_OF_LIMITS, SLACK, limited
from labwright.foreign.model import Limits, in_words
from labwright.foreign.reader import DAMAGED, Reader
from labwright.host.run import Completed, run

CHUNK = 1 << 20
PIECE = 64 << 10
"""Bytes that are left out of a file where all of them are zero."""
ZEROS = bytes(PIECE)
HEAD = 4 << 20
"""Bytes that tell what is inside: the metadata of a vhdx may be that far in."""
MOST_MEMORY = 256 << 20
"""Bytes for a decompressor; `xz -9` needs 65 MiB, `zstd --ultra --long` 128 MiB."""
COMPRESSED = ("gz", "bz2", "xz", "zst")
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
"""What Python's decompressors raise for damaged input."""


def head(reader: Reader, kind: str) -> bytes:
    """The first bytes of what is inside. Raises LabwrightError (config) for damaged input."""
    if kind == "zst":
        with tempfile.TemporaryDirectory(prefix="labwright-") as folder:
            inside = Path(folder) / "head"
            _zstd(reader, inside, HEAD, 60, run, stop=True)
            return inside.read_bytes()
    data = b""
    for piece in chunks(reader, kind):
        data += piece
        if len(data) >= HEAD:
            break
    return data


def unpack(reader: Reader, kind: str, destination: Path, limits: Limits, call: Callable[..., Completed]) -> None:
    """Write what is inside to `destination`. call: run().

    Raises LabwrightError (config) for damaged input and for more than the limits allow.
    """
    most = allowed(reader.size, limits)
    if kind != "zst":
        write(chunks(reader, kind), destination, most, reader)
    elif _zstd(reader, destination, most, limits.seconds, call).code in OUT_OF_LIMITS:
        raise too_much(reader, most)


def allowed(packed: int, limits: Limits) -> int:
    """The bytes that may come out of so many."""
    return min(limits.unpacked(packed), limits.virtual_size + limits.virtual_size // 64 + SLACK)


def write(pieces: Iterable[bytes], destination: Path, most: int, reader: Reader) -> None:
    """Write pieces to a new file, without the empty ones. Raises LabwrightError (config) when they are too many."""
    size = 0
    try:
        with destination.open("xb") as stream:
            for piece in pieces:
                size += len(piece)
                if size > most:
                    raise too_much(reader, most)
                write_sparse(stream, piece)
            stream.truncate(size)
    except OSError as error:
        raise os_error(error, f"{reader.name} cannot be unpacked") from error


def write_sparse(stream: BinaryIO, data: bytes) -> None:
    """Write data at the stream's place, or only move on where it is zero."""
    view = memoryview(data)
    for start in range(0, len(data), PIECE):
        piece = view[start : start + PIECE]
        if piece == ZEROS[: len(piece)]:
            stream.seek(len(piece), 1)
        else:
            stream.write(piece)


def chunks(reader: Reader, kind: str) -> Iterator[bytes]:
    """What is inside, in pieces. Raises LabwrightError (config) for damaged input."""
    reader.stream.seek(0)
    try:
        if kind == "xz":
            yield from _xz(reader)
            return
        with gzip.GzipFile(fileobj=reader.stream) if kind == "gz" else bz2.BZ2File(reader.stream) as inside:
            while piece := inside.read(CHUNK):
                yield piece
    except BROKEN as error:
        raise reader.refuse(f"it cannot be unpacked ({error})", DAMAGED) from error


def _xz(reader: Reader) -> Iterator[bytes]:
    """All streams of a file. LZMAFile takes no limit of memory."""
    rest = b""
    while rest or (rest := reader.stream.read(CHUNK)):
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)
        while not decoder.eof:
            if decoder.needs_input and not (rest := rest or reader.stream.read(CHUNK)):
                raise EOFError("the file ends before its end")
            yield decoder.decompress(rest if decoder.needs_input else b"", CHUNK)
            rest = b""
        rest = decoder.unused_data.lstrip(b"\0")
        while not rest and (more := reader.stream.read(CHUNK)):
            # Streams may be followed by zeros.
            rest = more.lstrip(b"\0")


def _zstd(
    reader: Reader, destination: Path, most: int, seconds: float, call: Callable[..., Completed], stop: bool = False
) -> Completed:
    """stop: whether the limit is where it is to stop, and so no error."""
    if reader.path is None:
        raise reader.refuse("it is packed more than once", "unpack it once")
    done = call(
        [*limited(most, seconds), "zstd", "--decompress", "--quiet", f"--memory={MOST_MEMORY >> 20}MiB",
         "-o", destination, "--", reader.path.absolute()],
        timeout=seconds,
        accept=(0, *OUT_OF_LIMITS),
        what=f"{reader.name} cannot be unpacked",
        cause=Cause.CONFIG,
        hint=DAMAGED,
    )  # fmt: skip
    if stop and not destination.exists():
        raise reader.refuse("it cannot be unpacked", DAMAGED)
    return done


def too_much(reader: Reader, most: int) -> LabwrightError:
    """The error for a file that unpacks to more than the limits allow."""
    return reader.refuse(
        f"more than {in_words(most)} come out of its {in_words(reader.size)}, which is the limit",
        "if that is meant, raise the limits: --max-ratio (bytes out for each in) and --max-size (GiB)",
    )
