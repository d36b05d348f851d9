"""Runs steps in order: finds what is in the store, makes and publishes what is not."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, MutableSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from labwright.errors import os_error, out_of_memory
from labwright.hooks import Event
from labwright.host.ledger import Ledger
from labwright.host.paths import Paths
from labwright.host.run import run
from labwright.host.usage import Usage
from labwright.interfaces import Workbench
from labwright.pipeline.steps import Step, key_of
from labwright.pipeline.store import Damaged, Store, Stored

Emit = Callable[[Event], None]
Result = TypeVar("Result")
KEEP_LOGS = 20
BUILD_LOGS = "[0-9]" * 8 + "-[0-9]*"
"""The folders of builds' logs: those of labs lie beside them, one folder a lab."""
YOUNG = 24 * 3600
"""Seconds since a log was last written in which its build may still be at work."""
REPAIRS = 3
"""How often damaged outputs are made anew in one build: more is not chance any more, but a failing disk or memory."""


@dataclass(frozen=True)
class Runner:
    """Everything that running the steps of one image needs."""

    image: str
    paths: Paths
    store: Store
    ledger: Ledger
    emit: Emit
    jobs: int
    epoch: int
    asked: MutableSet[str] = field(default_factory=set)

    def run(self, steps: tuple[Step, ...], use: Callable[[dict[str, Stored]], Result]) -> Result:
        """Run the steps that have to run, in order, and give their outputs to `use`, which is the last to need them.

        Nobody removes an output while it is in use here. One that turns out to be damaged is made anew, and what does
        not depend on it is kept. Raises LabwrightError, with everything before it kept.
        """
        logs = self.logs()
        for attempt in range(REPAIRS + 1):
            try:
                with contextlib.ExitStack() as locks:
                    return use(self._all(steps, logs, locks))
            except Damaged as damage:
                self.store.remove_damaged(damage.stored)
                if attempt == REPAIRS:
                    raise
                text = f"the stored output of {damage.stored.step} is damaged: making it anew"
                self.emit(Event("warning", self.image, damage.stored.step, text))
        raise AssertionError("the last attempt returns or raises")

    def _all(self, steps: tuple[Step, ...], logs: Path, locks: contextlib.ExitStack) -> dict[str, Stored]:
        done: dict[str, Stored] = {}
        private = self.store
        if any(step.private for step in steps):
            private = Store(locks.enter_context(scratch_folder(self.paths, self.ledger)), self.ledger)
        for index, step in enumerate(steps, start=1):
            event = Event("step-started", self.image, step.name, step.title, index=index, count=len(steps))
            place = replace(self, store=private) if step.private else self
            done[step.name] = place._step(step, done, event, logs / f"{index:02}-{step.name}.log", locks)
        return done

    def logs(self) -> Path:
        """A new folder for the logs of this build; the oldest ones go."""
        parent = self.paths.logs
        # What tools say of an image is for its builder alone.
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = sorted(parent.glob(BUILD_LOGS))
        for old in kept[: max(0, len(kept) - KEEP_LOGS + 1)]:
            if not _young(old):
                self.ledger.release(self.ledger.write("folder", str(old)))
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        return parent / f"{stamp}-{self.image}-{uuid.uuid4().hex[:6]}"

    def _step(
        self, step: Step, done: Mapping[str, Stored], event: Event, log: Path, locks: contextlib.ExitStack
    ) -> Stored:
        ingredients = step.ingredients(done)
        key = key_of(step, ingredients)
        last = self.store.costliest(step.name)
        self.emit(replace(event, expected=last.seconds if last else 0.0))
        started = time.monotonic()

        def say(text: str) -> None:
            self.emit(replace(event, kind="progress", text=text, seconds=time.monotonic() - started))

        def make() -> Stored:
            return self._make(step, key, ingredients, done, say, log)

        try:
            stored, cached, lock = self.store.obtain(
                step.name, key, make, lambda: say("waiting for another build that makes the same")
            )
        except BaseException as error:
            self.emit(replace(event, kind="step-failed", text=str(error), seconds=time.monotonic() - started))
            raise
        locks.enter_context(lock)
        seconds = time.monotonic() - started
        self.emit(replace(event, kind="step-finished", outcome="cached" if cached else "ran", seconds=seconds))
        return stored

    def _make(
        self,
        step: Step,
        key: str,
        ingredients: dict[str, str],
        done: Mapping[str, Stored],
        say: Callable[[str], None],
        log: Path,
    ) -> Stored:
        inputs = {name: done[name] for name in step.inputs}
        for stored in inputs.values():
            # An input whose bits have changed since it was published must not go into an image.
            self.store.check(stored)
        started = time.monotonic()
        with self.store.incoming() as output, scratch_folder(self.paths, self.ledger) as scratch:
            bench = self.workbench(scratch, say, log)
            try:
                with Usage(self.paths.root) as usage:
                    step.make(output, inputs, bench)
            except OSError as error:
                raise os_error(error, step.title) from error
            except MemoryError as error:
                raise out_of_memory(step.title) from error
            seconds = time.monotonic() - started
            return self.store.publish(step.name, key, output, ingredients, seconds, usage.disk, usage.memory)

    def workbench(self, scratch: Path, say: Callable[[str], None], log: Path) -> Workbench:
        """What a driver may touch during one step."""
        self.paths.downloads.mkdir(parents=True, exist_ok=True)
        temporary = scratch / "tmp"
        temporary.mkdir(exist_ok=True)
        return Workbench(
            run=functools.partial(run, log=log, temporary=temporary),
            scratch=scratch,
            downloads=self.paths.downloads,
            ledger=self.ledger,
            say=say,
            source_date_epoch=self.epoch,
            jobs=self.jobs,
            log=log,
            asked=self.asked,
        )


def _young(folder: Path) -> bool:
    """Whether a build may still write its logs there; one that is gone is not young."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir())) > time.time() - YOUNG
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def scratch_folder(paths: Paths, ledger: Ledger) -> Iterator[Path]:
    """A folder that is in the ledger while it exists. Its path is short: UNIX sockets allow 107 bytes."""
    folder = paths.scratch / uuid.uuid4().hex[:12]
    with ledger.hold("folder", folder):
        folder.mkdir(parents=True, mode=0o700)
        yield folder


def default_jobs() -> int:
    """How many processes a compiler may use: the processors that we may run on."""
    return len(os.sched_getaffinity(0))
