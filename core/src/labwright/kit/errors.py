"""What a lesson's script is told when something does not work."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from labwright.errors import Cause, LabwrightError
from labwright.host.text import plain

OURS = Path(__file__).parents[1]
"""The whole of labwright: an author looks for the line in his own script."""
LAST_LINES = 12


class KitError(LabwrightError):
    """A block that did not work. Its text is all of it: what, the last lines of evidence, the remedy."""

    def __init__(self, what: str, *, hint: str = "", details: Sequence[str] = (), cause: Cause = Cause.GUEST) -> None:
        super().__init__(
            plain(what), cause=cause, hint=hint, details=tuple(plain(line) for line in details)[-LAST_LINES:]
        )

    def __str__(self) -> str:
        return told(self)


def told(error: LabwrightError) -> str:
    """All that an error says, for people, over several lines."""
    lines = [error.what, *(f"  {line}" for line in error.details)]
    return "\n".join([*lines, *([f"hint: {error.hint}"] if error.hint else [])])


def last_lines(*texts: str) -> tuple[str, ...]:
    """The lines of output that are worth showing."""
    lines = [line.rstrip() for text in texts for line in text.splitlines() if line.strip()]
    return tuple(plain(line)[:400] for line in lines[-LAST_LINES:])


def speak_plainly() -> None:
    """From now on an error of labwright that nobody catches is told without a traceback, with the author's line."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, LabwrightError):
            before(kind, error, trace)
            return
        frames = [frame for frame in traceback.extract_tb(trace) if not Path(frame.filename).is_relative_to(OURS)]
        place = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
        print(f"{place}error: {told(error)}", file=sys.stderr)

    sys.excepthook = hook
