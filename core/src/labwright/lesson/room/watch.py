"""What the processes of a room hold, looked at now and then from its process 1: more than a lesson needs ends the room.

For what the kernel bounds of a single process only, or not at all where there is no control group of ours. It is for
scripts that go wrong: between two looks one can take what the machine gives in that time.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1 << 20
MEMORY = 4096 * MEBIBYTE
"""Bytes of all processes of a room together, or half of the machine's where that is less."""
PROCESSES = 1024
GROWN = 2048 * MEBIBYTE
RESERVE = 0.05
"""Where the copy of a lesson lies on a disk: bytes that this must have lost since the room began before it counts that
only so small a share of it is free. A file system of the copy's own is smaller, and full when it is full."""
FIELD = re.compile(rb"^(RssAnon|VmSwap|RssShmem):\s*(\d+) kB$", re.MULTILINE)
TOTAL = re.compile(rb"^MemTotal:\s*(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Start:
    """How things were when a room began, in bytes. free, whole: of the lesson's file system. memory: its limit."""

    free: int
    whole: int
    memory: int


@dataclass(frozen=True)
class Excess:
    """Why a room was ended. disk: whether it is that the host's disk was nearly full."""

    excess: str
    disk: bool = False


def beginning(lesson: str) -> Start:
    """How things are for a lesson's folder when its room begins."""
    total = TOTAL.search(_content("/proc/meminfo"))
    return Start(*_free(lesson), min(MEMORY, int(total[1]) * 512) if total else MEMORY)


def excess(lesson: str, start: Start) -> Excess | None:
    """Why the room that we are process 1 of must end; None while it may go on."""
    free, whole = _free(lesson)
    if start.free - free > GROWN and free < whole * RESERVE:
        return Excess(f"the disk on which {lesson} lies was nearly full: {free // MEBIBYTE} MiB were left", True)
    processes = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    if len(processes) > PROCESSES:
        return Excess(f"it had more than {PROCESSES} processes")
    if memory_of(processes) > start.memory:
        return Excess(f"its processes took more than {start.memory // MEBIBYTE} MiB of memory")
    return None


def _free(folder: str) -> tuple[int, int]:
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize, facts.f_blocks * facts.f_frsize


def memory_of(processes: list[str]) -> int:
    """Bytes that these processes hold. What they share by a fork counts for each, what they share by a file once."""
    own, shared = 0, 0
    for process in processes:
        found = {name: int(size) << 10 for name, size in FIELD.findall(_content(f"/proc/{process}/status"))}
        own += found.get(b"RssAnon", 0) + found.get(b"VmSwap", 0)
        shared = max(shared, found.get(b"RssShmem", 0))
    return own + shared


def _content(path: str) -> bytes:
    """A process may end meanwhile."""
    with contextlib.suppress(OSError):
        return Path(path).read_bytes()
    return b""
