"""The configurator `python`: a script of the lesson, run as the platform runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import ClassVar

from labwright.guest.job import mask_for, run_job
from labwright.guest.script import DUMPED, failure_of, own_lines, script_environment
from labwright.interfaces import (
    ConfigurationJob,
    ConfigurationResult,
    DriverFacts,
    Endpoint,
    LessonConfigurator,
    Workbench,
)
from labwright_configurators.moment import moment_in
from labwright_configurators.order import UNTIL
from labwright_configurators.reach import silence

RUNNER = Path(__file__).parent / "runner/script.py"
LARGEST = 1 << 20
"""Bytes of a script that is looked at for whether it does anything."""
DRY = "a script cannot be tried without effect: it was not run"


class PythonConfigurator(LessonConfigurator):
    """`python FILE`, with the endpoint in its environment. Its exit status says how it went."""

    interface_version: ClassVar[int] = 5
    facts: ClassVar[DriverFacts] = DriverFacts("Python scripts")

    def candidates(self, endpoint: Endpoint) -> tuple[str, ...]:
        """`<endpoint>.py`."""
        return (f"{endpoint.name}.py",)

    def configure(self, job: ConfigurationJob, bench: Workbench) -> ConfigurationResult:
        """Run it. Raises LabwrightError for what is no fault of the script's."""
        if job.dry_run:
            return ConfigurationResult(True, DRY, skipped=True)
        # Before it runs: afterwards what lies there is what the script has put there, a pipe or a link, say.
        idle = says_nothing(job.lesson / job.file)
        mask = mask_for(job.endpoint)
        ran = run_job(
            [sys.executable, RUNNER, job.script],
            bench,
            mask,
            job.limit,
            cwd=job.folder,
            env=script_environment(job.folder, job.stage, job.addresses, job.endpoint)
            # A moment: how long the runner takes to start, nobody knows.
            | {"LABWRIGHT_LIMIT": f"{job.limit:.1f}", UNTIL: str(moment_in(job.limit))},
            shown=lambda line: not line.startswith(DUMPED),
        )
        if ran.code == 0:
            # One that says nothing and does nothing would be fine on a machine that is down.
            quiet = silence(job.endpoint) if idle else ""
            return ConfigurationResult(not quiet, ran.text or quiet, reason=quiet, where=str(job.file) if quiet else "")
        failure = failure_of(ran, job.folder, job.file, job.limit)
        quiet = silence(job.endpoint)
        reason = f"{quiet}: {failure.reason}" if quiet else failure.reason
        # Where a traceback has ended it, that is for the author to read; a dump is there for its line alone.
        said = "\n".join(own_lines(ran.lines)) if ran.code is None else ran.text
        return ConfigurationResult(False, said or reason, reason=reason, where=failure.where, again=failure.again)


def says_nothing(script: Path) -> bool:
    """Whether a script has nothing but comments. One that cannot be read as a file is for Python to speak about."""
    try:
        with open(script, "rb", opener=_opened) as stream:
            text = stream.read(LARGEST + 1)
    except OSError:
        return False
    return len(text) <= LARGEST and all(
        not line.strip() or line.lstrip().startswith(b"#") for line in text.splitlines()
    )


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
