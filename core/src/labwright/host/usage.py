"""What a piece of work takes of this machine while it runs: the peak of memory and of disk."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from labwright.host.teardown import process_fields

GROUPS = Path("/sys/fs/cgroup")
DROPPABLE = ("inactive_file", "active_file", "slab_reclaimable")
EVERY = 0.5
"""Seconds between two looks; each takes a few milliseconds."""


class Usage:
    """Watches our children and the space on one file system from entry to exit. memory, disk: peaks in bytes.

    Memory is the resident memory of all processes that we started, so pages that they share count more than once. Disk
    is by how much the free space shrank, whoever used it.
    """

    def __init__(self, folder: Path) -> None:
        self.memory = 0
        self.disk = 0
        self._folder = folder
        self._free = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Usage:
        self._free = free_space(self._folder)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self._look()

    def _look(self) -> None:
        with contextlib.suppress(OSError):
            self.memory = max(self.memory, children_memory(os.getpid()))
            self.disk = max(self.disk, self._free - free_space(self._folder))


def nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists: the file system that it would be made on."""
    while not folder.exists():
        folder = folder.parent
    return folder


def free_space(folder: Path) -> int:
    """Bytes that an ordinary user may still write to the file system of a folder, or of its nearest parent."""
    facts = os.statvfs(nearest(folder))
    return facts.f_bavail * facts.f_frsize


def children_memory(ancestor: int) -> int:
    """The resident memory in bytes of all that a process started, directly or not (proc(5), stat)."""
    parents: dict[int, int] = {}
    resident: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = process_fields(int(folder.name))
                parents[int(folder.name)] = int(fields[1])
                resident[int(folder.name)] = int(fields[21])
    ours = {ancestor}
    grown = True
    while grown:
        more = {process for process, parent in parents.items() if parent in ours} - ours
        ours |= more
        grown = bool(more)
    pages = sum(resident.get(process, 0) for process in ours - {ancestor})
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory_facts() -> dict[str, int]:
    """What the system says of its memory (proc(5), /proc/meminfo), in bytes. Raises OSError."""
    facts = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        facts[name] = int(value.split()[0]) * 1024
    return facts


def available_memory() -> int:
    """Bytes that programs may still take: what the system has free, swap included, and no more than our limits."""
    facts = memory_facts()
    free = facts.get("MemAvailable", 0) + facts.get("SwapFree", 0)
    return min([free, *_group_limits()])


def _group_limits() -> list[int]:
    """What the control groups that we are in leave us, the nearest first (cgroups(7), versions 1 and 2)."""
    limits: list[int] = []
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return limits
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            limits += _left_in(GROUPS, path, "memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            limits += _left_in(GROUPS / "memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
    return limits


def _left_in(root: Path, path: str, most: str, used: str, prefix: str) -> Iterator[int]:
    """The limit of a group and of each above it, less what is used and could not be dropped."""
    folder = root / path.lstrip("/")
    while folder.is_relative_to(root):
        with contextlib.suppress(OSError, ValueError):
            words = (folder / "memory.stat").read_text().split()
            facts = dict(zip(words[::2], map(int, words[1::2]), strict=True))
            droppable = sum(facts.get(f"{prefix}{name}", 0) for name in DROPPABLE)
            left = int((folder / most).read_text()) - int((folder / used).read_text()) + droppable
            yield max(0, left)
        folder = folder.parent
