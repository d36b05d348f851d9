"""What a build that runs as a process of its own says in JSON lines: read leniently, since it may die in a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from labwright.errors import Cause
from labwright.hooks import Event
from labwright.host.run import Completed
from labwright.host.text import line
from labwright.nightly.failures import failure
from labwright.nightly.model import Failure, StepOutcome, StepTime

MARK = '{"'
"""How a line of JSON begins; what else is said belongs into the log."""
LONGEST = 65536
"""Characters of a line that is read."""
MOST_STEPS = 100
EVENT = TypeAdapter(Event)


@dataclass
class Transcript:
    """What one build has said so far. Fed line by line; what is not understood is passed over."""

    image: str
    tell: Callable[[Event], None]
    titles: dict[str, str] = field(default_factory=dict)
    steps: list[StepTime] = field(default_factory=list)
    error: Mapping[str, Any] | None = None

    def hear(self, text: str) -> None:
        """Take one line."""
        if not text.startswith(MARK) or len(text) > LONGEST:
            return
        try:
            facts = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(facts, dict):
            return
        if facts.get("kind") == "error":
            self.error = facts
        elif (event := event_of(facts)) is not None:
            self._note(event)
            self.tell(event)

    def _note(self, event: Event) -> None:
        outcomes: dict[str, StepOutcome] = {"step-finished": "ran", "step-failed": "failed"}
        if event.image != self.image:
            return
        if event.kind == "step-started":
            self.titles[event.step] = event.text
        elif event.kind in outcomes and len(self.steps) < MOST_STEPS:
            outcome: StepOutcome = "cached" if event.outcome == "cached" else outcomes[event.kind]
            title = self.titles.get(event.step, event.text)
            self.steps.append(StepTime(event.step, title, round(event.seconds, 3), outcome))

    def log(self, below: Path) -> Path | None:
        """The log that the error names, where it is one of ours."""
        named = self.error.get("log") if self.error else None
        if not isinstance(named, str) or "\0" in named:
            return None
        path = Path(named)
        inside = path.is_absolute() and path.resolve().is_relative_to(below.resolve())
        return path if inside and path.is_file() else None

    def failure(self, done: Completed) -> Failure | None:
        """How it failed; None where it ended well."""
        if self.error is not None:
            facts = self.error
            details = facts.get("details")
            cause = str(facts.get("cause"))
            return failure(
                str(facts.get("what")) or "the build failed",
                cause if cause in {one.value for one in Cause} else Cause.INTERNAL.value,
                str(facts.get("hint") or ""),
                details if isinstance(details, list) else (),
            )
        if done.code == 0:
            return None
        return _silent(done, self.image)


def _silent(done: Completed, image: str) -> Failure:
    """The failure of a build that had no time to say what it was."""
    if done.code == -9:
        cause, hint = Cause.MEMORY, "something killed it, most likely for want of memory (dmesg | tail shows)"
    elif done.code < 0:
        cause, hint = Cause.INTERRUPTED, "something ended it; see the log, and this machine's own (journalctl)"
    else:
        cause, hint = Cause.INTERNAL, "this is a bug of labwright or of a plugin: please report it with the lines above"
    how = f"signal {-done.code} ended it" if done.code < 0 else f"exit code {done.code}"
    return failure(f"the build of {image} ended without a word ({how})", cause.value, hint, done.log_tail)


def event_of(facts: Mapping[str, Any]) -> Event | None:
    """An event from its line; None for one that is none. Its words are made fit."""
    try:
        event = EVENT.validate_python(facts)
    except ValidationError:
        return None
    return replace(event, image=line(event.image), step=line(event.step), text=line(event.text))
