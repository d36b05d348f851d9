"""A fake executor: it builds nothing, and says at once how a build ended. What looks at images is a fake too."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from labwright.hooks import Event
from labwright.nightly.executor import Executor, Job, JobResult
from labwright.nightly.images import Candidate
from labwright.nightly.model import Failure


def failed(cause: str) -> Failure:
    return Failure(f"it failed for {cause}", cause, "mend it", ("the last line",))


def deliver(job: Job, content: str) -> None:
    """What a build leaves, in small. The image depends on what it was made from, and on nothing else."""
    base = (job.base / f"{job.base.parent.name}.qcow2").read_text() if job.base else ""
    text = f"{job.slug} {content} <- {base}"
    (job.output / f"{job.slug}.qcow2").write_text(text)
    facts = {"image": job.slug, "sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text)}
    (job.output / f"{job.slug}.json").write_text(json.dumps(facts))


@dataclass
class FakeExecutor(Executor):
    """room: builds at once. fates: how the attempts of an image end, the last one for all further ones.

    started: all jobs, in order. most: builds that were at work at once.
    """

    room: int = 1
    fates: Mapping[str, list[Failure | None]] = field(default_factory=dict)
    content: Mapping[str, str] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    on_start: Callable[[Job], None] = lambda _: None
    logs: Mapping[str, Path] = field(default_factory=dict)
    started: list[Job] = field(default_factory=list)
    running: list[Job] = field(default_factory=list)
    beside: list[tuple[str, ...]] = field(default_factory=list)
    ended: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.running.clear()
        self.ended = True

    def admits(self, job: Job) -> bool:
        return len(self.running) < self.room

    def start(self, job: Job, tell: Callable[[Event], None]) -> None:
        assert list(job.output.iterdir()) == [], "a job begins with an empty folder"
        self.on_start(job)
        self.started.append(job)
        self.running.append(job)
        self.beside.append(tuple(one.slug for one in self.running))
        tell(Event("build-started", job.slug))

    def wait(self, seconds: float) -> tuple[JobResult, ...]:
        if not self.running:
            return ()
        job = self.running.pop(self.chance.randrange(len(self.running)))
        tries = sum(one.slug == job.slug for one in self.started)
        fate = self.fates.get(job.slug, [None])
        failure = fate[min(tries, len(fate)) - 1]
        if failure is None:
            deliver(job, self.content.get(job.slug, "1"))
        return (JobResult(job, failure, seconds=1.0, log=self.logs.get(job.slug)),)

    def order(self) -> list[str]:
        return [job.slug for job in self.started]


@dataclass(frozen=True)
class FakeLook:
    why: str = "changed"
    seconds: float = 60.0
    memory: int = 0
    disk: int = 0


@dataclass
class FakeLooker:
    """unchanged: images of which everything is in service. faults: raised in turn instead of an answer."""

    unchanged: frozenset[str] = frozenset()
    seconds: Mapping[str, float] = field(default_factory=dict)
    faults: dict[str, list[Exception]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, one: Candidate, base: Path | None, delivered: Path | None) -> FakeLook:
        self.asked.append(one.slug)
        if self.faults.get(one.slug):
            raise self.faults[one.slug].pop(0)
        why = "" if one.slug in self.unchanged and delivered else "changed"
        return FakeLook(why, self.seconds.get(one.slug, 60.0))


@dataclass
class ContentLooker:
    """Compares what is in service with what a fake build would make, as the real one compares keys."""

    content: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, one: Candidate, base: Path | None, delivered: Path | None) -> FakeLook:
        below = (base / f"{base.parent.name}.qcow2").read_text() if base else ""
        wanted = f"{one.slug} {self.content.get(one.slug, '1')} <- {below}"
        same = delivered is not None and (delivered / f"{one.slug}.qcow2").read_text() == wanted
        return FakeLook("" if same else "changed")
