"""Errors as a night keeps them: bounded, and clean of what a terminal or a page would obey."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labwright.errors import LabwrightError
from labwright.host.text import line, plain
from labwright.nightly.model import Failure

MOST_LINES = 20
LONGEST_LOG = 10_000_000
"""Bytes of a log that a night keeps."""
HEAD = LONGEST_LOG // 10
"""Of those, the ones from its beginning: there is the command, and at the end is what went wrong."""


def failure_of(error: LabwrightError) -> Failure:
    """An error of our own as a night keeps it."""
    return failure(error.what, error.cause.value, error.hint, error.details)


def failure(what: str, cause: str, hint: str = "", details: Sequence[object] = ()) -> Failure:
    """A failure with its words made fit."""
    return Failure(line(what), line(cause), line(hint), tuple(map(line, list(details)[-MOST_LINES:])))


def keep_log(source: Path, place: Path) -> None:
    """Copy a log, its middle left out where it is too long. Raises OSError."""
    size = source.stat().st_size
    with source.open("rb") as stream:
        if size <= LONGEST_LOG:
            data = stream.read(LONGEST_LOG)
        else:
            data = stream.read(HEAD)
            stream.seek(size - (LONGEST_LOG - HEAD))
            data += f"\n[{size - LONGEST_LOG} bytes left out]\n".encode() + stream.read(LONGEST_LOG - HEAD)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(plain(data.decode(errors="replace").replace("\r\n", "\n")), encoding="utf-8")
