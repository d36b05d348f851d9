"""How apt's downloads are watched: progress in words, and an end to one that stands still."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from labwright.errors import Cause, LabwrightError

STANDSTILL = 60.0
"""Seconds without a byte. apt's own time limit (Acquire::http::Timeout) does not end every wait of its own: after a
connection that broke in the middle it can wait for ever (seen with apt 2.6; Debian bug 1017795 of mmdebstrap)."""

OPTIONS = (
    "-o", "APT::Status-Fd=1", "-o", "Acquire::Retries=3", "-o", "Acquire::http::Timeout=30",
    # The pauses are ours: with apt's own in each attempt a mirror that is not there takes a minute to be given up.
    "-o", "Acquire::Retries::Delay=false",
)  # fmt: skip
ONE_BY_ONE = ("-o", "Acquire::http::Pipeline-Depth=0")
"""Several questions at once on one connection are what apt loses count of when that breaks."""

STATUS_WORD = "dlstatus:"
STATUS = re.compile(r"dlstatus:[0-9]+:(?P<percent>[0-9.]+):")


class Watch:
    """Listens to apt: says what it fetches, and raises LabwrightError (network) when nothing moves any more."""

    def __init__(self, subject: str, say: Callable[[str], None], standstill: float = STANDSTILL) -> None:
        self._subject = subject
        self._say = say
        self._standstill = standstill
        self._last = ""
        self._moved = time.monotonic()

    def __call__(self, line: str) -> None:
        """Take a line of apt's output. Its status lines come twice a second, whether anything moves or not."""
        now = time.monotonic()
        if line != self._last:
            self._last, self._moved = line, now
            self._tell(line)
        elif now - self._moved > self._standstill:
            raise LabwrightError(
                f"{self._subject}: not a byte for {self._standstill:.0f} s",
                cause=Cause.NETWORK,
                hint="is the mirror overloaded, or the network gone? run the same command again",
            )

    def _tell(self, line: str) -> None:
        if status := STATUS.match(line):
            self._say(f"fetching: {float(status['percent']):.0f}%")
