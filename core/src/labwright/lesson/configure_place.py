"""Where the copies of a stage lie: each in a file system of its own, whose size the kernel holds a job to.

It is mounted for the thread alone that does the job: nobody else sees it, and it is gone with the thread, however that
one ends. What the processes of a job leave in there, be it nested ever so deep, nobody has to look at.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from labwright.host.usage import memory_facts
from labwright.lesson.configure_copy import Survey
from labwright.lesson.room import kernel

ROOM, FILES = 1 << 30, 1 << 18
"""Bytes, and files, that a job may have beside those of the lesson itself: it may clone a repository there."""
LARGEST = 1 << 30
"""Bytes of all copies of a stage, where they lie in memory."""


def fit_memory(survey: Survey, copies: int) -> bool:
    """Whether so many copies are small beside what memory there is; others lie on the disk, and take what it has."""
    with contextlib.suppress(OSError):
        return survey.size * copies < min(LARGEST, memory_facts().get("MemAvailable", 0) // 4)
    return False


@contextlib.contextmanager
def own_file_system(place: Path, survey: Survey) -> Iterator[None]:
    """Mount one on a folder, for this thread and what it starts; where that cannot be, the folder is left as it is."""
    if not _mounted(place, survey):
        yield
        return
    try:
        yield
    finally:
        kernel.detach(place)


def _mounted(place: Path, survey: Survey) -> bool:
    # The main thread goes on to other things, and would take its mounts along.
    if threading.current_thread() is threading.main_thread():
        return False
    size, files = survey.size + ROOM, len(survey.items) + FILES
    try:
        kernel.unshare(kernel.CLONE_NEWNS)
        # Or the host would see it where namespaces share their mounts, as systemd has it.
        kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("lesson", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV,
                     f"mode=700,size={size},nr_inodes={files}")  # fmt: skip
    except OSError:
        return False
    return True
