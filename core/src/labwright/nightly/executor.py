"""Where images are built: on this machine within a budget, or on the workers of a cluster."""

from __future__ import annotations

import queue
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.nightly.model import Failure, StepTime


@dataclass(frozen=True)
class Job:
    """One image to build. folder: its description. output: an empty folder that gets what the build delivers.

    base: the folder with the version in service of the image that this one starts from. memory, disk: bytes that it
    takes at its peak, as far as is known.
    """

    slug: str
    folder: Path
    output: Path
    base: Path | None = None
    locked: bool = False
    offline: bool = False
    memory: int = 0
    disk: int = 0


@dataclass(frozen=True)
class JobResult:
    """How a job ended. failure: None where `output` holds a tested image. log: what its tools said, on this machine."""

    job: Job
    failure: Failure | None
    steps: tuple[StepTime, ...] = ()
    seconds: float = 0.0
    worker: str = ""
    log: Path | None = None


def ended_within(seconds: float, ended: queue.SimpleQueue[JobResult]) -> list[JobResult]:
    """All results that are there; waits that long at most for the first one."""
    found: list[JobResult] = []
    try:
        found.append(ended.get(timeout=max(0.0, seconds)))
        while True:
            found.append(ended.get_nowait())
    except queue.Empty:
        return found


def stopped() -> LabwrightError:
    """What a job ends with whose executor is left."""
    return LabwrightError("the nightly build was stopped", cause=Cause.INTERRUPTED, hint="run it again")


class Executor(ABC):
    """Runs jobs at once, as many as it has room for. A context: at its end no job runs any more."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def admits(self, job: Job) -> bool:
        """Whether there is room for it now, beside what runs. An executor at which nothing runs admits every job."""

    @abstractmethod
    def start(self, job: Job, tell: Callable[[Event], None]) -> None:
        """Begin a job; `tell` gets its events, from any thread. Raises LabwrightError where nothing can be started."""

    @abstractmethod
    def wait(self, seconds: float) -> tuple[JobResult, ...]:
        """The jobs that have ended since the last call; waits that long at most for the first one."""
