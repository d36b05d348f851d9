"""Builds on this machine: each a process of its own, as many at once as fit."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.host.interrupts import undisturbed
from labwright.host.ledger import Ledger
from labwright.host.paths import Paths
from labwright.host.run import Completed, Stop, run
from labwright.host.usage import available_memory, free_space
from labwright.nightly.child import MARK, Transcript
from labwright.nightly.executor import Executor, Job, JobResult, ended_within, stopped
from labwright.nightly.failures import failure_of
from labwright.pipeline.runner import default_jobs

LONGEST = 6 * 3600.0
"""Seconds for one build: every step has a limit of its own, and this is for what nobody thought of."""
ANY_CODE = range(-64, 256)


@dataclass(frozen=True)
class Budget:
    """What all builds together may take. jobs: how many at once. memory, disk: bytes."""

    jobs: int
    memory: int
    disk: int


def budget(cache: Path, jobs: int | None = None, memory: int | None = None, disk: int | None = None) -> Budget:
    """What the user allows, or else what is free now; jobs: half of the processors, since a compiler takes all of them.

    Two builds at once keep the processors busy while one of them waits for the network or a guest.
    """
    return Budget(
        jobs or max(1, default_jobs() // 2),
        available_memory() if memory is None else memory,
        free_space(cache) if disk is None else disk,
    )


class LocalExecutor(Executor):
    """A `labwright build` for each job. cache: of builds, whose logs may be shown; its file system is watched."""

    def __init__(self, allowed: Budget, cache: Paths) -> None:
        self._allowed = allowed
        self._cache = cache
        self._running: dict[str, tuple[Job, threading.Thread]] = {}
        self._ended: queue.SimpleQueue[JobResult] = queue.SimpleQueue()
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        return self

    @undisturbed()
    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for one in self._running.values():
            one[1].join()
        self._clean()

    def admits(self, job: Job) -> bool:
        """By what the jobs take by the estimate, and by what is really free: others use this machine too."""
        if not self._running:
            return True
        jobs = [one for one, _ in self._running.values()]
        memory = job.memory + sum(one.memory for one in jobs)
        disk = job.disk + sum(one.disk for one in jobs)
        return (
            len(jobs) < self._allowed.jobs
            and memory <= self._allowed.memory
            and disk <= self._allowed.disk
            and job.memory <= available_memory()
            and job.disk <= free_space(self._cache.root)
        )

    def start(self, job: Job, tell: Callable[[Event], None]) -> None:
        """The thread only waits: what a build does, it does in its own process."""
        thread = threading.Thread(target=self._run, args=(job, tell), name=f"build of {job.slug}", daemon=True)
        with undisturbed():
            # In this order: what is there is waited for at the end, which one that was not started has not.
            thread.start()
            self._running[job.slug] = (job, thread)

    def wait(self, seconds: float) -> tuple[JobResult, ...]:
        """The jobs that have ended."""
        found = ended_within(seconds, self._ended)
        for result in found:
            _, thread = self._running.pop(result.job.slug)
            thread.join()
        return tuple(found)

    def _run(self, job: Job, tell: Callable[[Event], None]) -> None:
        try:
            result = self._build(job, tell)
        except LabwrightError as error:
            result = JobResult(job, failure_of(error), log=error.log)
        except Exception as error:  # a thread that ends without a result would be waited for for ever
            text = f"the build of {job.slug} could not be watched: {type(error).__name__}: {error}"
            hint = "this is a bug of labwright: please report it"
            result = JobResult(job, failure_of(LabwrightError(text, cause=Cause.INTERNAL, hint=hint)))
        self._ended.put(result)

    def _build(self, job: Job, tell: Callable[[Event], None]) -> JobResult:
        said = Transcript(job.slug, tell)
        own = own_log(job)
        done = run_build(command(job), job, said, self._stop)
        failed = said.failure(done)
        if done.code < 0:
            self._clean()
        kept = said.log(self._cache.logs) or (own if own.is_file() and own.stat().st_size else None)
        return JobResult(job, failed, tuple(said.steps), done.seconds, log=kept if failed else None)

    def _clean(self) -> None:
        """Give back what builds that were killed held. What will not go is said by the next night."""
        Ledger(self._cache.ledger).clean()

    def _stop(self) -> LabwrightError | None:
        return stopped() if self._stopping.is_set() else None


def run_build(words: Sequence[str | Path], job: Job, said: Transcript, stop: Stop) -> Completed:
    """Run a build to its end, whatever its exit code. stop: see run(). Raises LabwrightError where it was called off
    or took too long.
    """
    return run(
        words,
        # It is this program again, with references to secrets in variables that only the user of this machine knows.
        env=dict(os.environ),
        log=own_log(job),
        timeout=LONGEST,
        accept=ANY_CODE,
        what=f"the build of {job.slug} failed",
        on_line=said.hear,
        unlogged=MARK,
        stop=stop,
    )


def own_log(job: Job) -> Path:
    """What a build says beside its JSON, such as the end of an interpreter; beside its output, and as short-lived."""
    return job.output.with_name(f"{job.output.name}.log")


def command(job: Job) -> list[str]:
    """The command that builds it."""
    # -P: a folder called labwright where the user stands is not us.
    words = [sys.executable, "-P", "-m", "labwright", "build", str(job.folder), "--out", str(job.output), "--json"]
    words += ["--base", str(job.base)] if job.base else []
    words += ["--locked"] if job.locked else []
    words += ["--offline"] if job.offline else []
    return words
