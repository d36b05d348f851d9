"""Waiting for what takes a while, with a deadline, and with the last evidence when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline
from labwright.kit.answer import Answer
from labwright.kit.errors import KitError, last_lines


def wait_for(
    condition: Callable[[], object], timeout: float = 60.0, every: float = 1.0, what: str = "the condition"
) -> object:
    """Ask until the answer is true, and return it.

    condition: errors of the kit and of the network count as not yet; all others are raised at once, and so are those
    whose cause is config: time mends no typing mistake. timeout, every: seconds. what: the words for the error.
    Raises KitError with the last evidence.
    """
    deadline = Deadline(timeout)
    while True:
        evidence: object
        try:
            if evidence := condition():
                return evidence
        except (LabwrightError, AssertionError, OSError) as error:
            if isinstance(error, LabwrightError) and error.cause is Cause.CONFIG:
                raise
            evidence = error
        if deadline.expired:
            raise KitError(f"{what}: not so after {timeout:g} s", details=_shown(evidence))
        time.sleep(min(every, max(deadline.left, 0.01)))


def _shown(evidence: object) -> tuple[str, ...]:
    if isinstance(evidence, Answer):
        return last_lines(evidence.output, evidence.errors, f"exit status {evidence.code}")
    if isinstance(evidence, LabwrightError):
        return last_lines(evidence.what, *evidence.details)
    if isinstance(evidence, BaseException):
        return last_lines(f"{type(evidence).__name__}: {evidence}")
    return last_lines(f"the last answer was {evidence!r}")
