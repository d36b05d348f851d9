"""The moment at which a job's process is ended, as the process itself knows it: however long its start took."""

from __future__ import annotations

import time

AT_LEAST = 0.1


def moment_in(seconds: float) -> float:
    """By the clock that all processes share (clock_gettime(2), CLOCK_MONOTONIC)."""
    return time.monotonic() + seconds


def seconds_before(moment: float, grace: float) -> float:
    """From now until so many seconds before it; half of what is left where that is less, and never none."""
    left = moment - time.monotonic()
    return max(left - grace, left / 2, AT_LEAST)
