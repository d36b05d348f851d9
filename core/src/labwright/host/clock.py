"""The clock of a wait: how long it may take, and a word now and then so that it does not look hung."""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadline:
    """A moment after which waiting is over. clock: seconds that only grow; another one where time is simulated."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._started = clock()

    @property
    def passed(self) -> float:
        """Seconds since the wait began."""
        return self._clock() - self._started

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

    def __init__(
        self, say: Callable[[str], None], every: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._every = every
        self._clock = clock
        self._last = clock()

    def beat(self, text: str) -> None:
        """Say the text if it is time."""
        if self._clock() - self._last >= self._every:
            self._last = self._clock()
            self._say(text)
