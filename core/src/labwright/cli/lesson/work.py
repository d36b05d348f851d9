"""Configuring and verifying a lab that is up, for the commands that do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labwright.cli.lesson.common import images_of, logs_of
from labwright.cli.session import Session
from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.host.interrupts import undisturbed
from labwright.host.teardown import process_start
from labwright.interfaces import Endpoint, Workbench
from labwright.lesson.configure import ConfigureContext, StageWork, configure_stage, find_files
from labwright.lesson.guests import last_lines
from labwright.lesson.lab import Lab, LabEndedError, write_lab
from labwright.lesson.outcome import EndpointOutcome, VerifyOutcome, failure
from labwright.lesson.plan import SSH
from labwright.lesson.read import Lesson
from labwright.lesson.room import open_rooms
from labwright.lesson.verify import verify_stage

ROOM = Path("/antidote")
LIMIT = 600.0
"""Seconds for the configuration of an endpoint, as the platform waits for one to boot."""


@dataclass(frozen=True)
class Work:
    """A lab, its lesson, and what jobs run with."""

    lab: Lab
    lesson: Lesson
    endpoints: dict[str, Endpoint]
    context: ConfigureContext
    running: Session

    def emit(self, kind: Any, step: str, text: str, **facts: Any) -> None:
        """Tell whoever listens."""
        self.running.workshop.emit(Event(kind, self.lab.name, step, text, **facts))

    def stage_work(self, stage: int, dry_run: bool = False, limit: float = LIMIT) -> StageWork:
        """What is to be done at a stage."""
        return StageWork(self.lesson.folder, self.lesson.spec, stage, self.endpoints, dry_run, limit)


@contextmanager
def work_on(lab: Lab, lesson: Lesson, running: Session, bench: Workbench) -> Iterator[Work]:
    """Rooms for the jobs of a lab. We are in its network."""
    images = images_of(lesson, lab.images, lab.logins)
    specs = {endpoint.name: endpoint for endpoint in lesson.spec.endpoints}
    endpoints = {}
    for machine in lab.machines:
        if machine.name not in specs:
            raise LabwrightError(
                f"the lab has an endpoint {machine.name}, and the lesson has none any more",
                cause=Cause.CONFIG,
                hint="the lesson was changed after it came up: down, then up again",
            )
        image = images[specs[machine.name].image]
        endpoints[machine.name] = Endpoint(
            machine.name, machine.address, SSH, image.config_user, image.config_password,
            interfaces=machine.interfaces[1:],
        )  # fmt: skip
    hosts = {machine.name: machine.address for machine in lab.machines}
    with open_rooms(hosts, bench.scratch, bench.ledger) as rooms:

        def run_for(copy: Path) -> Callable[..., Any]:
            def run(*argv: Any, **options: Any) -> Any:
                return rooms.run(*argv, lesson=copy, **options)

            return run

        context = ConfigureContext(
            ledger=bench.ledger, scratch=bench.scratch, say=bench.say, logs=logs_of(lab, running), run_for=run_for,
            seen_at=ROOM, alive=lambda name: dead(lab, name),
        )  # fmt: skip
        yield Work(lab, lesson, endpoints, context, running)


def dead(lab: Lab, endpoint: str) -> LabwrightError | None:
    """Why a machine is no more, with its last words; None while it runs."""
    words = lab.ended(endpoint)
    if not words:
        return None
    return LabwrightError(
        f"{endpoint}: the machine died: {words}",
        cause=Cause.GUEST,
        details=last_lines(lab.machine(endpoint).console),
        hint="labwright lesson down, then up again",
    )


def configure(work: Work, stage: int, dry_run: bool = False, limit: float = LIMIT) -> tuple[EndpointOutcome, ...]:
    """Configure a stage. Raises LabwrightError (guest) once all endpoints are done, for those that failed."""
    count = sum(1 for each in work.lesson.spec.endpoints if each.configuration_type)
    verb = "Show what would change at" if dry_run else "Configure"
    work.emit("step-started", "configure", f"{verb} stage {stage}: {count} endpoints")
    started = time.monotonic()
    outcomes = configure_stage(work.stage_work(stage, dry_run, limit), work.context)
    if not all(outcome.ok for outcome in outcomes):
        work.emit("step-failed", "configure", "")
        raise failure(outcomes, stage=stage)
    seconds = time.monotonic() - started
    work.emit("step-finished", "configure", f"{verb} stage {stage}", outcome="ran", seconds=seconds)
    return outcomes


def configured(work: Work, stage: int, limit: float = LIMIT) -> tuple[Lab, tuple[EndpointOutcome, ...]]:
    """Configure a stage, wait as the lesson says, and write down that the lab is ready at it, or that it failed."""
    # What is not there is said before the lab is anything else than it was.
    find_files(work.stage_work(stage))
    me = os.getpid()
    try:
        write_lab(replace(work.lab, phase="configuring", stage=stage, creator=me, creator_start=process_start(me)))
        outcomes = configure(work, stage, limit=limit)
        if work.lesson.spec.ready_delay:
            work.emit("step-started", "delay", f"Wait {work.lesson.spec.ready_delay} s, as readyDelay says")
            time.sleep(work.lesson.spec.ready_delay)
        ready = write_lab(replace(work.lab, phase="ready", stage=stage, problem=""))
    except BaseException as error:
        problem = error.what if isinstance(error, LabwrightError) else "the configuration was stopped"
        # Why it failed is what people are to read, also where the lab is gone by now.
        with undisturbed(), suppress(LabEndedError):
            write_lab(replace(work.lab, phase="failed", stage=stage, problem=problem))
        raise
    return ready, outcomes


def verify(work: Work, stage: int) -> tuple[VerifyOutcome, ...]:
    """Run the checks of a stage. Which passed is for the caller to look at."""
    work.emit("step-started", "verify", f"Verify stage {stage}")
    return verify_stage(work.stage_work(stage), work.context)
