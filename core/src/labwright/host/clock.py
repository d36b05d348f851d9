"""The clock of a wait: how long it may take, and a word now and then so that it does not look hung."""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadline:
    """A moment after which waiting is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._started = time.monotonic()

    @property
    def passed(self) -> float:
        """Seconds since the wait began."""
        return time.monotonic() - self._started

    @property
    def left(self) -> float:
        """Seconds that are left, never negative."""
        return max(0.0, self.seconds - self.passed)

    @property
    def expired(self) -> bool:
        """Whether the wait is over."""
        return self.passed >= self.seconds


class Heartbeat:
    """Calls `say` when the last word is `every` seconds ago."""

    def __init__(self, say: Callable[[str], None], every: float = 10.0) -> None:
        self._say = say
        self._every = every
        self._last = time.monotonic()

    def beat(self, text: str) -> None:
        """Say the text if it is time."""
        if time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            self._say(text)
