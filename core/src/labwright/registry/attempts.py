"""Trying again after a registry broke, for as long as there is progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from labwright.registry.failures import Broken, Lost
from labwright.registry.transport import Patience

MOST_LOSSES = 3
"""How often a whole upload begins anew: more is not chance any more."""
Result = TypeVar("Result")


class Attempts:
    """Counts failures since the last progress, and pauses between them."""

    def __init__(self, patience: Patience, say: Callable[[str], None]) -> None:
        self._patience = patience
        self._say = say
        self._failures = 0
        self._best = 0
        self._losses = 0

    def reached(self, offset: int) -> None:
        """So many bytes are there; more than ever before is progress."""
        if offset > self._best:
            self._best, self._failures, self._losses = offset, 0, 0

    def failed(self, error: Broken | Lost) -> None:
        """Wait before the next attempt. Raises the error where there has been enough."""
        self._losses += isinstance(error, Lost)
        if self._failures >= len(self._patience.pauses) or self._losses > MOST_LOSSES:
            raise error
        pause = self._patience.pauses[self._failures]
        after = error.after if isinstance(error, Broken) else 0.0
        if after > self._patience.longest_pause:
            raise error
        pause = max(pause, after)
        self._failures += 1
        self._say(f"{error.what}; trying again in {pause:g} s")
        self._patience.pause(pause)


def tried(work: Callable[[], Result], patience: Patience, say: Callable[[str], None]) -> Result:
    """Do the work, again after each failure that may pass. Raises the last LabwrightError."""
    attempts = Attempts(patience, say)
    while True:
        try:
            return work()
        except Broken as error:
            attempts.failed(error)
