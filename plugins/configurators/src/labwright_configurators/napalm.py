"""The configurator `napalm`: a candidate merged in a process of its own, so that a call that hangs can be ended."""

from __future__ import annotations

import json
import secrets
import sys
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

from labwright.guest.job import Ran, mask_for, run_job
from labwright.interfaces import (
    ConfigurationJob,
    ConfigurationResult,
    DriverFacts,
    Endpoint,
    LessonConfigurator,
    Workbench,
)
from labwright.spec.lesson import NAPALM_DRIVERS
from labwright_configurators.moment import moment_in
from labwright_configurators.napalm_task import Task, answer_in

CANDIDATE, TEMPLATE = "txt", "j2"


class NapalmConfigurator(LessonConfigurator):
    """Merge, compare, commit, compare again."""

    interface_version: ClassVar[int] = 5
    facts: ClassVar[DriverFacts] = DriverFacts("NAPALM candidates")

    def candidates(self, endpoint: Endpoint) -> tuple[str, ...]:
        """`<endpoint>-<driver>.txt`, and `.j2` for a template."""
        drivers = dict.fromkeys((*NAPALM_DRIVERS, *filter(None, [endpoint.driver])))
        return tuple(f"{endpoint.name}-{driver}.{kind}" for kind in (CANDIDATE, TEMPLATE) for driver in drivers)

    def configure(self, job: ConfigurationJob, bench: Workbench) -> ConfigurationResult:
        """Run it. Raises LabwrightError for what is no fault of the endpoint's or of the candidate's."""
        mark = secrets.token_hex(16)
        mask = mask_for(job.endpoint)
        ran = run_job(
            [sys.executable, "-m", "labwright_configurators.napalm_job"],
            bench,
            mask,
            job.limit,
            # Not the lesson: what lies in there must not be taken for a library.
            cwd=Path("/"),
            env={"PYTHONUNBUFFERED": "1"},
            stdin=json.dumps(asdict(task_of(job, mark))),
            unlogged=mark,
        )
        return result_of(ran, mark, job)


def task_of(job: ConfigurationJob, mark: str) -> Task:
    """What the process is told. mark: what its answer begins with."""
    endpoint = job.endpoint
    return Task(
        mark=mark,
        folder=str(job.folder),
        file=str(job.file),
        driver=driver_of(job.file),
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        password=endpoint.password,
        until=moment_in(job.limit),
        dry_run=job.dry_run,
        endpoint=endpoint.name,
        stage=job.stage,
        addresses=dict(job.addresses),
    )


def driver_of(file: Path) -> str:
    """NAPALM's driver in a candidate's name: what comes after the last dash, as endpoints have dashes too."""
    return file.stem.rpartition("-")[2]


def result_of(ran: Ran, mark: str, job: ConfigurationJob) -> ConfigurationResult:
    """What the process answered; where it gave no answer, why."""
    if ran.code is None:
        reason = f"NAPALM gave no answer within {round(job.limit, 1):g} s"
        return ConfigurationResult(False, ran.text or reason, reason=reason, where=str(job.file))
    answer = answer_in(ran.output, mark)
    if answer is None:
        reason = f"NAPALM's process ended with exit status {ran.code}" + (f": {ran.last}" if ran.last else "")
        return ConfigurationResult(False, ran.text or reason, reason=reason, where=str(job.file))
    output = "\n".join([*ran.lines, *answer.details]) or answer.reason or answer.difference or "nothing to change"
    return ConfigurationResult(answer.ok, output, answer.difference, answer.reason, answer.where, answer.again)
