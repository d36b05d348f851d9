"""Trying again what a network may have spoilt, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from labwright.errors import Cause, LabwrightError

PAUSES = (0.5, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0)
"""Seconds before each further attempt: a mirror that fails one request in five is got through, one that is not there is
given up after twelve seconds."""

LONGEST = 600.0
"""Seconds after which no further attempt begins: for networks that swallow what is sent."""

WORTH_IT = (Cause.NETWORK, Cause.SIGNATURE)
"""A signature that does not hold may be a file that was damaged on its way."""

Result = TypeVar("Result")


def retried(work: Callable[[], Result], say: Callable[[str], None], pauses: tuple[float, ...] = PAUSES) -> Result:
    """Do the work; on a failure that the network can have caused do it again. Raises the last LabwrightError."""
    started = time.monotonic()
    for pause in pauses:
        try:
            return work()
        except LabwrightError as error:
            if error.cause not in WORTH_IT or time.monotonic() - started > LONGEST:
                raise
            say(f"{error.what}; trying again in {pause:g} s")
            time.sleep(pause)
    return work()
