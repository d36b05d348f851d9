"""What goes to NAPALM's process and what comes back: JSON in lines that no library's noise can be taken for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

PIECE = 32 * 1024
"""Characters: longer lines are split by those who read them."""


@dataclass(frozen=True)
class Task:
    """One candidate. mark: what the lines of the answer begin with. folder: the lesson.

    until: the moment at which the process is ended.
    """

    mark: str
    folder: str
    file: str
    driver: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    until: float = float("inf")
    dry_run: bool = False
    endpoint: str = ""
    stage: int = 0
    addresses: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskAnswer:
    """How it ended. details: the device's words."""

    ok: bool
    difference: str = ""
    reason: str = ""
    where: str = ""
    again: bool = True
    details: tuple[str, ...] = ()


def lines_of(answer: TaskAnswer, mark: str) -> str:
    """An answer as text for standard output."""
    text = json.dumps(asdict(answer))
    return "".join(f"{mark}{text[start : start + PIECE]}\n" for start in range(0, len(text), PIECE))


def answer_in(output: str, mark: str) -> TaskAnswer | None:
    """The answer in what a process wrote, or None."""
    text = "".join(line.removeprefix(mark) for line in output.splitlines() if line.startswith(mark))
    try:
        found = json.loads(text)
        return TaskAnswer(**{**found, "details": tuple(found["details"])})
    except (ValueError, TypeError, KeyError):
        return None
