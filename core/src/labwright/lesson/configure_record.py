"""What people see of jobs that run at once: each line with its endpoint's name, and no flood."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from labwright.host.text import plain

PER_SECOND = 10.0
AT_ONCE = 40.0
"""Lines that one endpoint may say before it is held to PER_SECOND."""


class Voice:
    """Says the lines of one endpoint. What is too much is counted, and is in the log."""

    def __init__(
        self, name: str, say: Callable[[str], None], log: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._say, self._log, self._clock = name, say, log, clock
        self._left, self._then, self._dropped = AT_ONCE, clock(), 0
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Say a text, line by line, as far as there is room."""
        for line in plain(text).splitlines():
            with self._lock:
                self._one(line)

    def end(self) -> None:
        """Say how much was left out."""
        with self._lock:
            self._admit()

    def _one(self, line: str) -> None:
        now = self._clock()
        self._left = min(AT_ONCE, self._left + (now - self._then) * PER_SECOND)
        self._then = now
        if self._left < 1:
            self._dropped += 1
            return
        self._admit()
        self._left -= 1
        self._say(f"{self._name}: {line}")

    def _admit(self) -> None:
        if self._dropped:
            self._say(f"{self._name}: ({self._dropped} lines are in {self._log} alone)")
            self._dropped = 0
