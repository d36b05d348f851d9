"""How the endpoints of a stage fared, and the error that says so for all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labwright.errors import Cause, LabwrightError
from labwright.host.text import plain
from labwright.interfaces import ConfigurationResult

LAST_LINES = 4
LONGEST_LINE = 160
State = Literal["pass", "fail", "error"]


@dataclass(frozen=True)
class EndpointOutcome:
    """One endpoint. file: what configured it, relative to the lesson. tries: how often it was run. seconds: for all of
    them. log: all that it said. cause: the class of a failure.
    """

    endpoint: str
    ok: bool
    tries: int
    seconds: float
    result: ConfigurationResult
    log: Path
    file: Path
    cause: Cause = Cause.GUEST

    @property
    def changed(self) -> bool:
        """Whether the device says that something changed, or would."""
        return bool(self.result.difference.strip())

    @property
    def sentence(self) -> str:
        """Where and why it failed, for people."""
        where, last = self.result.where or str(self.file), self.result.output.strip().splitlines()[-1:]
        reason = self.result.reason or "".join(last) or "it failed and said nothing"
        return plain(f"{self.endpoint}: {where}: {reason}")

    @property
    def facts(self) -> dict[str, object]:
        """It as data."""
        return {
            "endpoint": self.endpoint, "ok": self.ok, "tries": self.tries, "seconds": round(self.seconds, 2),
            "file": str(self.file), "difference": self.result.difference, "reason": self.result.reason,
            "where": self.result.where, "skipped": self.result.skipped, "log": str(self.log),
        }  # fmt: skip


@dataclass(frozen=True)
class VerifyOutcome:
    """One script of a stage's verify/. lines: its `ok:` and `FAIL:`. reason, where: why it did not pass."""

    name: str
    state: State
    seconds: float
    lines: tuple[str, ...]
    log: Path
    reason: str = ""
    where: str = ""

    @property
    def facts(self) -> dict[str, object]:
        """It as data."""
        return {
            "name": self.name, "state": self.state, "seconds": round(self.seconds, 2), "lines": list(self.lines),
            "reason": self.reason, "where": self.where, "log": str(self.log),
        }  # fmt: skip


def failure(outcomes: Sequence[EndpointOutcome], **facts: object) -> LabwrightError:
    """The error of a stage: each endpoint that failed with where, why, its last lines and its log.

    facts: for programs, beside the outcomes. Its cause is guest, or what all of them have in common. Raises ValueError
    where none failed.
    """
    failed = [outcome for outcome in outcomes if not outcome.ok]
    if not failed:
        raise ValueError("no endpoint failed")
    details = [line for outcome in failed for line in _story(outcome)]
    names = ", ".join(outcome.endpoint for outcome in failed)
    causes = {outcome.cause for outcome in failed}
    return LabwrightError(
        f"{len(failed)} of {len(outcomes)} endpoints could not be configured: {names}",
        cause=causes.pop() if len(causes) == 1 else Cause.GUEST,
        details=details,
        hint="mend what stands above, in the lesson's file at that line; the same stage can be run again at once",
        log=failed[0].log,
        facts={**facts, "endpoints": [outcome.facts for outcome in outcomes]},
    )


def _story(outcome: EndpointOutcome) -> list[str]:
    tries = f" ({outcome.tries} tries)" if outcome.tries > 1 else ""
    said = [line for line in plain(outcome.result.output).splitlines() if line.strip()][-LAST_LINES:]
    return [f"{outcome.sentence}{tries}", *(f"    {line[:LONGEST_LINE]}" for line in said), f"    log: {outcome.log}"]
