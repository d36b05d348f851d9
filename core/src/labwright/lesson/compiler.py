"""Python that is compiled, never run, in a process of its own: some scripts of a kilobyte take all memory, or hours."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
from pathlib import Path
from select import select
from types import TracebackType

from labwright.host.clock import Deadline
from labwright.host.environment import environment
from labwright.host.text import plain

PROGRAM = Path(__file__).with_name("compile_scripts.py")
SECONDS = 20.0
"""For all scripts of a lesson together; a long one takes a tenth of one."""


class Compiler:
    """The process, which is started for the first script."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._limit = self._left = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Compiler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def mistakes(self, data: bytes) -> list[tuple[int, str]]:
        """Why these bytes are no Python, each with its line."""
        if self._left <= 0:
            return [(1, f"not compiled: other scripts of the lesson took all of {self._limit:g} s")]
        deadline = Deadline(self._left)
        answer = self._ask(data, deadline)
        self._left = deadline.left
        if answer:
            said = json.loads(answer)
            return [(said["line"], plain(said["message"]))] if said else []
        self._end()
        why = "time" if deadline.expired else "memory"
        return [(1, f"not Python that can be compiled: it takes too much {why}")]

    def _ask(self, data: bytes, deadline: Deadline) -> bytes:
        """A line; nothing where the process ends first, or the time."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=environment(),
            )
        given, answers = self._process.stdin, self._process.stdout
        assert given is not None
        assert answers is not None
        with contextlib.suppress(BrokenPipeError):
            given.write(struct.pack(">I", len(data)) + data)
            given.flush()
        # An answer is a single short write: what begins has all come.
        ready, _, _ = select([answers], [], [], deadline.left)
        return answers.readline() if ready else b""

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        self._process = None
