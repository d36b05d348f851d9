"""Whether a stage of a lesson is as it should be: the scripts in its verify/, all at once. Nothing is configured."""

from __future__ import annotations

import functools
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.guest.job import Ran, mask_for, run_job
from labwright.guest.script import Failure, failure_of, script_environment
from labwright.host.run import Stop
from labwright.lesson.configure import (
    ConfigureContext,
    Copies,
    StageWork,
    all_at_once,
    bench_for,
    fresh_log,
    stage_copies,
)
from labwright.lesson.configure_record import Voice
from labwright.lesson.outcome import State, VerifyOutcome
from labwright.lesson.select import VERIFY, scripts_in, stage_folder

LINE = re.compile(r"^(ok|FAIL): ")
FAILED = "FAIL: "
CHECK_FAILED = 1
"""The exit status of a script whose checks say no; any other is a script that went wrong."""


def verify_stage(work: StageWork, context: ConfigureContext) -> tuple[VerifyOutcome, ...]:
    """Run every script of a stage's verify/ once. None there: no outcomes.

    NAME.py with the name of an endpoint gets that endpoint's environment, any other only the lesson's. Raises
    LabwrightError (config) for a link that leads out of the lesson, and KeyboardInterrupt after all have ended.
    """
    scripts = list(scripts_in(work.lesson, stage_folder(work.stage, VERIFY)))
    if not scripts:
        return ()
    with stage_copies(work, context, len(scripts)) as copies:
        return all_at_once(
            scripts, lambda script, stop: _verify(script, work, context, copies, stop), context.alive
        )  # fmt: skip


def _verify(
    script: Path, work: StageWork, context: ConfigureContext, copies: Copies, stop_for: Callable[[str], Stop]
) -> VerifyOutcome:
    name = script.stem
    log = fresh_log(context, f"stage{work.stage}-verify-{name}")
    voice = Voice(name, context.say, log)
    lines: list[str] = []
    started = time.monotonic()
    try:
        stop = stop_for(name if name in work.endpoints else "")
        with bench_for(copies, name, context, voice, log, stop) as (copy, bench):
            seen = context.seen_at or copy
            ran = run_job(
                [sys.executable, seen / script],
                bench,
                mask_for(work.endpoints.get(name)),
                work.limit,
                cwd=seen,
                env=script_environment(seen, work.stage, work.addresses, work.endpoints.get(name)),
                shown=functools.partial(_check_line, lines),
            )
        state, failure = judge(ran, lines, seen, script, work.limit)
    except LabwrightError as error:
        if error.cause is Cause.INTERRUPTED:
            raise
        state, failure = "error", Failure(error.what, str(script))
    voice.end()
    return VerifyOutcome(
        name, state, time.monotonic() - started, tuple(lines), log, failure.reason, failure.where
    )  # fmt: skip


def judge(ran: Ran, lines: list[str], folder: Path, script: Path, limit: float) -> tuple[State, Failure]:
    """What a script's end means. lines: its `ok:` and `FAIL:`."""
    failed = [line.removeprefix(FAILED) for line in lines if line.startswith(FAILED)]
    if ran.code == 0:
        # One that forgot its exit status still said so.
        return ("fail", Failure(failed[0], str(script))) if failed else ("pass", Failure("", ""))
    failure = failure_of(ran, folder, script, limit)
    if ran.code == CHECK_FAILED and failure.raised in {"", "AssertionError"}:
        reason = failed[0] if failed else failure.reason
        return "fail", Failure(reason, failure.where)
    return "error", failure


def _check_line(lines: list[str], line: str) -> bool:
    if LINE.match(line):
        lines.append(line)
        return True
    return False
