"""What comes back of a job that a cluster was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from labwright.errors import Cause
from labwright.nightly.failures import failure
from labwright.nightly.model import Failure, StepTime


@dataclass(frozen=True)
class Answer:
    """What a worker says of a job that ended. digest: of the manifest in the staging registry. log: of a failure."""

    worker: str = ""
    seconds: float = 0.0
    steps: tuple[StepTime, ...] = ()
    failure: Failure | None = None
    digest: str = ""
    log: str = ""


ANSWER = TypeAdapter(Answer)


def given_up(slug: str, died: Sequence[str]) -> Answer:
    """Of an image that nobody could build. died: names of the workers that tried, at least one."""
    return Answer(died[-1], failure=failure(
        f"{len(died)} workers died while they built {slug}", Cause.HOST.value,
        "look at the last one's own log (journalctl; dmesg shows what the kernel killed for want of memory), "
        "and build it there alone: labwright build",
        [f"they were: {', '.join(died)}"],
    ))  # fmt: skip


def broken_off(slug: str, error: BaseException) -> Answer:
    """Of a job for which a worker had no answer, but an error of Python's."""
    return Answer(failure=failure(
        f"the worker could not build {slug}: {type(error).__name__}: {error}", Cause.INTERNAL.value,
        "is the same labwright installed on every machine of the cluster? if so, please report this",
    ))  # fmt: skip
