"""Compressed files, unpacked as a stream: what comes out is counted, and what is empty takes no space."""

from __future__ import annotations

import bz2
import lzma
import tempfile
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
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
MOST_STREAMS = 1_000_000
"""In one file; programs that work in parallel write one for each 64 KiB or more."""
HEAD_SECONDS = 60.0
COMPRESSED = ("gz", "bz2", "xz", "zst")
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
"""What Python's decompressors raise for damaged input."""


def head(reader: Reader, kind: str) -> bytes:
    """The first bytes of what is inside. Raises LabwrightError (config) for damaged input."""
    if kind == "zst":
        with tempfile.TemporaryDirectory(prefix="labwright-") as folder:
            inside = Path(folder) / "head"
            _zstd(reader, inside, HEAD, HEAD_SECONDS, run, stop=True)
            return inside.read_bytes()
    data = b""
    for piece in chunks(reader, kind, HEAD_SECONDS):
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
        write(chunks(reader, kind, limits.seconds), destination, most, reader)
    elif _zstd(reader, destination, most, limits.seconds, call).code in OUT_OF_LIMITS:
        raise too_much(reader, most)


def allowed(packed: int, limits: Limits) -> int:
    """The bytes that may come out of so many."""
    return min(limits.unpacked(packed), limits.virtual_size + limits.virtual_size // 64 + SLACK)


def write(pieces: Iterable[bytes], destination: Path, most: int, reader: Reader) -> int:
    """Write pieces to a new file, without the empty ones. Returns how many bytes they are.

    Raises LabwrightError (config) when they are more than `most`.
    """
    size = 0
    try:
        with destination.open("xb") as stream:
            for piece in pieces:
                size += len(piece)
                if size > most:
                    raise too_much(reader, most)
                write_sparse(stream, piece)
            stream.truncate(size)
            return size
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


def chunks(reader: Reader, kind: str, seconds: float) -> Iterator[bytes]:
    """What is inside, in pieces. Raises LabwrightError (config) for damaged input, and when it takes longer."""
    reader.stream.seek(0)
    end = time.monotonic() + seconds
    try:
        for piece in _streams(reader, kind):
            yield piece
            if time.monotonic() > end:
                raise reader.refuse(f"unpacking it takes longer than {seconds:.0f} s", "unpack it with its own program")
    except BROKEN as error:
        raise reader.refuse(f"it cannot be unpacked ({error})", DAMAGED) from error


def _streams(reader: Reader, kind: str) -> Iterator[bytes]:
    """All compressed streams of a file, one after the other; zeros may follow each.

    Not Python's own files: they take no limit of memory, and read a header byte by byte that may be the whole file.
    """
    rest = b""
    for _ in range(MOST_STREAMS):
        while not rest:
            more = reader.stream.read(PIECE)
            if not more:
                return
            rest = more.lstrip(b"\0")
        rest = yield from _stream(reader, kind, rest)
    raise EOFError(f"more than {MOST_STREAMS} streams")


def _stream(reader: Reader, kind: str, rest: bytes) -> Generator[bytes, None, bytes]:
    """One stream. Returns what comes after it, without zeros."""
    gz = zlib.decompressobj(wbits=31) if kind == "gz" else None
    other = bz2.BZ2Decompressor() if kind == "bz2" else lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)
    decoder = gz or other
    while not decoder.eof:
        hungry = not gz.unconsumed_tail if gz else other.needs_input
        if hungry and not (rest := rest or reader.stream.read(PIECE)):
            raise EOFError("the file ends before its end")
        data = rest if hungry else gz.unconsumed_tail if gz else b""
        if hungry:
            rest = b""
        yield decoder.decompress(data, CHUNK)
    return decoder.unused_data.lstrip(b"\0")


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
