"""Run as a program: one candidate into one device. A Task as JSON on standard input, the answer on standard output."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright_configurators.candidate import TEMPLATE, CandidateError, candidate_text
from labwright_configurators.moment import seconds_before
from labwright_configurators.napalm_task import Task, TaskAnswer, lines_of

GRACE = 2.0
"""Seconds before its process is ended at which a job gives up by itself, to say more than that it was."""
CALL_SECONDS = 60
"""For one call of a driver: Junos commits in less."""
LINE = re.compile(r"\bline (\d+)\b", re.IGNORECASE)


def carry_out(task: Task) -> TaskAnswer:
    """Merge the candidate, or say what that would change. Raises nothing that a device or a lesson can cause."""
    values = {"endpoint": task.endpoint, "stage": task.stage, "endpoints": task.addresses}
    try:
        text = candidate_text(Path(task.folder), Path(task.file), task.driver, values)
    except CandidateError as error:
        return TaskAnswer(False, reason=error.reason, where=_where(task, error.line), again=False)
    try:
        return _transaction(task, text)
    except LabwrightError as error:
        return _refusal(task, error)


def _transaction(task: Task, text: str) -> TaskAnswer:
    # Here, not above: a candidate that is no text is refused half a second sooner.
    from labwright.guest.napalm import Limits, apply, compare, driver_class  # noqa: PLC0415

    limit = seconds_before(task.until, GRACE)
    driver = driver_class(task.driver)(
        task.host,
        task.user,
        task.password,
        timeout=int(min(CALL_SECONDS, max(1.0, limit))),
        optional_args=options(task.driver, task.port, text),
    )
    limits = Limits(limit)
    if task.dry_run:
        difference = compare(driver, text, limits)
        for line in difference.splitlines():
            _say(f"napalm: {line}")
        return TaskAnswer(True, difference)
    applied = apply(driver, text, replace=False, say=_say, limits=limits)
    if not applied.changed:
        _say("napalm: the device has all of it already")
    return TaskAnswer(True, applied.difference)


def options(driver: str, port: int, text: str) -> dict[str, object]:
    """What a driver needs to get in by SSH on an endpoint's port, with the password and nothing else."""
    found: dict[str, object] = {"port": port}
    if driver == "eos":
        # Its own default is HTTPS, which no endpoint has on the port of SSH.
        found["transport"] = "ssh"
    if driver == "iosxr_netconf":
        found |= {"config_encoding": "xml" if text.lstrip().startswith("<") else "cli"}
    if driver in {"iosxr_netconf", "eos", "ios", "nxos_ssh", "iosxr"}:
        found |= {"allow_agent": False}
    if driver == "iosxr_netconf":
        found |= {"look_for_keys": False}
    return found


def _refusal(task: Task, error: LabwrightError) -> TaskAnswer:
    first = next((line.strip() for line in error.details if line.strip()), "")
    # A line of a rendered text is none of the template's.
    ours = error.cause is Cause.GUEST and not task.file.endswith(TEMPLATE)
    line = LINE.search(" ".join(error.details)) if ours else None
    return TaskAnswer(
        False,
        reason=f"{error.what}: {first}" if first else error.what,
        where=_where(task, int(line[1]) if line else 0),
        again=error.cause is not Cause.PLUGIN,
        details=error.details,
    )


def _where(task: Task, line: int) -> str:
    return f"{task.file}:{line}" if line else task.file


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Read the task, carry it out, answer, and end, whatever threads of libraries still run."""
    # Libraries print; from here on that goes to standard error.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task = Task(**json.loads(sys.stdin.read()))
    answer = carry_out(task)
    answers.write(lines_of(answer, task.mark))
    answers.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
