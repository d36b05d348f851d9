"""labwright lesson stage, configure and verify: what jobs do to machines that are up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.lesson.common import LessonFolder, alone, workbench
from labwright.cli.lesson.work import LIMIT, Work, configure, configured, verify, work_on
from labwright.cli.session import Json, Session, session
from labwright.errors import Cause, LabwrightError
from labwright.lesson.lab import running_lab
from labwright.lesson.namespace import enter
from labwright.lesson.outcome import EndpointOutcome, VerifyOutcome
from labwright.lesson.read import read_lesson

Limit = Annotated[float, typer.Option(min=1, help="Seconds for the configuration of an endpoint.")]


def stage(
    lesson_dir: LessonFolder,
    number: Annotated[int, typer.Argument(metavar="N", min=0, help="The stage; they count from 0.")],
    limit: Limit = LIMIT,
    json_lines: Json = False,
) -> None:
    """Bring a lesson that is up to another stage: its configuration jobs, and no others."""
    with session(json_lines, root=False) as running, _work(lesson_dir, running) as work:
        lab, outcomes = configured(work, number, limit)
        _say(running, f"{lab.name} is ready at stage {lab.stage}", outcomes, stage=lab.stage)


def configure_lesson(
    lesson_dir: LessonFolder,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; change nothing. Python scripts cannot.")
    ] = False,
    limit: Limit = LIMIT,
    json_lines: Json = False,
) -> None:
    """Configure the machines once more for the stage that they are at."""
    with session(json_lines, root=False) as running, _work(lesson_dir, running) as work:
        if dry_run:
            outcomes = configure(work, work.lab.stage, dry_run=True, limit=limit)
            _say(running, f"nothing was changed at stage {work.lab.stage}", outcomes, stage=work.lab.stage)
            return
        lab, outcomes = configured(work, work.lab.stage, limit)
        _say(running, f"{lab.name} is ready at stage {lab.stage}", outcomes, stage=lab.stage)


def verify_lesson(lesson_dir: LessonFolder, json_lines: Json = False) -> None:
    """Run the checks in stageN/verify/ of the stage that the machines are at."""
    with session(json_lines, root=False) as running, _work(lesson_dir, running) as work:
        number = work.lab.stage
        outcomes = verify(work, number)
        if not outcomes:
            raise LabwrightError(
                f"stage {number} of {work.lesson.spec.slug} has no checks",
                cause=Cause.CONFIG,
                hint=f"write scripts into stage{number}/verify/: docs/configure.md says how",
            )
        facts = {"stage": number, "checks": [outcome.facts for outcome in outcomes]}
        bad = [outcome for outcome in outcomes if outcome.state != "pass"]
        if bad:
            raise LabwrightError(
                f"{len(bad)} of {len(outcomes)} checks of stage {number} do not pass: "
                f"{', '.join(outcome.name for outcome in bad)}",
                cause=Cause.GUEST,
                details=[line for outcome in outcomes for line in _verdict(outcome)],
                hint="the lines above say what is not as it should be",
                log=bad[0].log,
                facts=facts,
            )
        lines = [line for outcome in outcomes for line in _verdict(outcome)]
        running.result("\n".join([*lines, f"stage {number} is as it should be"]), **facts)


@contextmanager
def _work(lesson_dir: Path, running: Session) -> Iterator[Work]:
    """The lab of a lesson, in whose network we go on."""
    lab = running_lab(lesson_dir, running.workshop.paths)
    if lab.abandoned and lab.phase in {"starting", "booting"}:
        raise LabwrightError(
            f"{lab.name} did not come up: whoever started it is gone",
            cause=Cause.CONFIG,
            hint=f"labwright lesson down {lesson_dir}; then up again",
        )
    enter(lab)
    lesson = read_lesson(lesson_dir)
    with (
        alone(lesson.folder, running),
        workbench(running, lab.name, "jobs") as bench,
        work_on(lab, lesson, running, bench) as work,
    ):
        yield work


def _say(running: Session, text: str, outcomes: Sequence[EndpointOutcome], **facts: object) -> None:
    lines = []
    for outcome in outcomes:
        how = "was left alone" if outcome.result.skipped else f"{outcome.seconds:.1f} s"
        lines.append(f"{outcome.endpoint} by {outcome.file}: {how}")
        shown = outcome.result.difference or (outcome.result.output if outcome.result.skipped else "")
        lines += [f"    {line}" for line in shown.splitlines()]
    running.result("\n".join([*lines, text]), endpoints=[each.facts for each in outcomes], **facts)


def _verdict(outcome: VerifyOutcome) -> list[str]:
    head = f"{outcome.name}: {outcome.state} ({outcome.seconds:.1f} s)"
    reason = f"    {outcome.where}: {outcome.reason}" if outcome.reason else ""
    return [head, *(f"    {line}" for line in outcome.lines), *([reason] if reason else [])]
