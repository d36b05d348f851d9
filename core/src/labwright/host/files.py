"""Files that are there whole or not at all: written beside their place, synced, renamed onto it."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path


def beside(destination: Path) -> Path:
    """A name for the unfinished file, hidden, in the same folder and so in the same file system."""
    return destination.with_name(f".{destination.name[:200]}.{uuid.uuid4().hex[:8]}.partial")


def write_whole(destination: Path, text: str) -> None:
    """Write a text file, whole or not at all. Raises OSError, with nothing left beside it."""
    partial = beside(destination)
    try:
        with partial.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(destination)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_digest(path: Path) -> str:
    """The sha256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def has_content(path: Path, size: int, sha256: str) -> bool:
    """Whether there is a file of this size with this hash; the size is looked at first."""
    try:
        return path.is_file() and path.stat().st_size == size and file_digest(path) == sha256
    except OSError:
        return False
