"""Locks between processes of one machine. The kernel gives them back when the holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

IN_USE = "in-use"
"""The lock file of a folder of downloads: who reads or writes there holds it."""


@contextlib.contextmanager
def exclusive(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[IO[bytes]]:
    """Hold the lock file alone. waiting: called once if somebody else has it, before the wait."""
    stream = take(path, fcntl.LOCK_EX, wait=False)
    if stream is None:
        waiting()
        stream = take(path, fcntl.LOCK_EX, wait=True)
    assert stream is not None, "a lock that waits is held afterwards"
    with stream:
        yield stream


def take(path: Path, how: int, wait: bool) -> IO[bytes] | None:
    """Open and lock a file (flock(2)); closing it gives the lock back. None where it is held and we do not wait.

    Opened for reading too, which a shared lock on NFS needs. Whoever holds a lock alone may remove its file, and the
    folder around it, so what was locked has to be what the path still names.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            stream = path.open("a+b")
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(stream, how if wait else how | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            return None
        except BaseException:
            stream.close()
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(stream.fileno()).st_ino == path.stat().st_ino:
                return stream
        stream.close()
