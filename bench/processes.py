"""The descendants of this process: their CPU time, their memory, their end. Read from /proc (proc(5)), Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

EVERY = 0.25
"""Seconds between two looks at the memory."""
FIRST = 0.01
"""Seconds to the first look; the pauses double up to EVERY, so that a command of half a second is seen too."""
PATIENCE = 5.0
"""Seconds between SIGTERM and SIGKILL: what was started may have mounts of its own to take down."""
PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Family:
    """The descendants that were not there before, orphans too. cpu: seconds, of those that ended; peak: bytes.

    codes: the exit codes of those that had us as their parent.
    """

    before: frozenset[int]
    cpu: float = 0.0
    peak: int = 0
    codes: dict[int, int] = field(default_factory=dict)

    def watch(self, child: int, deadline: float) -> float | None:
        """Look until the child has ended: when that was seen; None when the deadline came first. time.monotonic()."""
        descriptor = os.pidfd_open(child)
        pause = FIRST
        try:
            while (left := deadline - time.monotonic()) > 0:
                select.select([descriptor], [], [], min(pause, left))
                now = time.monotonic()
                self.reap()
                if child in self.codes:
                    return now
                pause = min(2 * pause, EVERY)
                self.peak = max(self.peak, sum(_memory(process) for process in self.living()))
        finally:
            os.close(descriptor)
        return None

    def reap(self) -> None:
        """Wait for those that ended and have us as their parent, and count their times."""
        for child in _children() - self.before:
            with contextlib.suppress(ChildProcessError):
                process, status, usage = os.wait4(child, os.WNOHANG)
                if process:
                    self.codes[child] = os.waitstatus_to_exitcode(status)
                    self.cpu += usage.ru_utime + usage.ru_stime

    def living(self) -> dict[int, str]:
        """All of them but zombies, each with its start time, which tells a reused process id apart."""
        processes = dict(_processes())
        found: dict[int, str] = {}
        # A process id can be lower than its parent's, so the generations are gone through one by one.
        generation = {process for process, facts in processes.items() if facts[1] == str(os.getpid())} - self.before
        while generation:
            found |= {process: processes[process][19] for process in generation}
            parents = {str(process) for process in generation}
            generation = {process for process, facts in processes.items() if facts[1] in parents} - found.keys()
        return {process: born for process, born in found.items() if processes[process][0] not in "ZX"}

    def end(self) -> None:
        """End all of them: SIGTERM, SIGKILL after PATIENCE. Raises RuntimeError when some do not end."""
        started = time.monotonic()
        self.reap()
        # Not what is started from now on: it may be the unmounting that SIGTERM asks for.
        for process, born in self.living().items():
            _signal(process, born, signal.SIGTERM)
        # A look can miss a child whose parent ends meanwhile, so what counts as none is none twice.
        while living := self.living() or self.living():
            passed = time.monotonic() - started
            if passed > 2 * PATIENCE:
                raise RuntimeError(f"processes {', '.join(map(str, living))} do not end")
            if passed > PATIENCE:
                for process, born in living.items():
                    _signal(process, born, signal.SIGKILL)
            time.sleep(0.02)
            self.reap()
        self.reap()


@contextlib.contextmanager
def adopted() -> Iterator[Family]:
    """The family that is started in the body. Orphans come to us meanwhile (prctl(2)), and all are ended after it.

    A mark in the environment would find orphans too, but not their CPU time.
    """
    family = Family(_children())
    _be_subreaper(True)
    try:
        yield family
    finally:
        try:
            family.end()
        finally:
            _be_subreaper(False)


def _be_subreaper(yes: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _stat(process: int) -> list[str]:
    """The fields of its stat from the third on: state, parent, and so on; the 20th of them is the start time."""
    return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _processes() -> Iterator[tuple[int, list[str]]]:
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdecimal():
            with contextlib.suppress(OSError):
                yield int(name), _stat(int(name))


def _children() -> frozenset[int]:
    """Our children, zombies too."""
    return frozenset(process for process, facts in _processes() if facts[1] == str(os.getpid()))


def _memory(process: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _signal(process: int, born: str, number: signal.Signals) -> None:
    """Through a descriptor, and the start time is read after it was opened: a reused process id is never hit."""
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(process)
        try:
            if _stat(process)[19] == born:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)
