"""Python scripts of lessons: the environment that the Antidote platform gives them, and where and why one failed."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from labwright.guest.job import NOTE, Ran
from labwright.interfaces import Endpoint

SSH = 22
FRAME = re.compile(r'^[\s|]*File "(?P<path>[^"\n]+)", line (?P<line>\d+)')
HEADER = re.compile(r"Traceback \(most recent call last\):$")
RAISED = re.compile(r"^(?:\s*\| )?(?P<said>[^\s|+].*)$")
"""An exception under its traceback, or in a group of them: all else there is indented."""
CLASS = re.compile(r"([A-Za-z_][\w.]*)(?=:|$)")
DUMP = "(most recent call first):"
"""Over the frames that faulthandler shows of a script that still runs: the innermost comes first."""
DUMPED = ("Timeout (", "Thread 0x", "Current thread 0x", '  File "')
"""How lines of such a dump begin; its header is the first."""
LONGEST_REASON = 300
HOPELESS = ("SyntaxError", "IndentationError", "TabError", "ModuleNotFoundError")
"""Another try of the same text ends in the same way."""


@dataclass(frozen=True)
class Failure:
    """Why a script failed, in one sentence; where, `stage0/configs/r1.py:12`; whether another try may help.

    raised: the class of the exception that ended it; empty where none did.
    """

    reason: str
    where: str
    again: bool = True
    raised: str = ""


def script_environment(
    lesson: Path, stage: int, addresses: Mapping[str, str], endpoint: Endpoint | None = None
) -> dict[str, str]:
    """What a script of a lesson knows: the platform's variables and ours. lesson: as the script sees it."""
    known = {
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "LABWRIGHT_LESSON": str(lesson),
        "LABWRIGHT_STAGE": str(stage),
        "LABWRIGHT_ENDPOINTS": json.dumps(dict(addresses)),
        # So that people see lines as they are printed, and the last one of a script that hangs.
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if endpoint is None:
        return known
    if endpoint.port != SSH:
        known["LABWRIGHT_TARGET_PORT"] = str(endpoint.port)
    return known | {
        "ANTIDOTE_TARGET_HOST": endpoint.host,
        "ANTIDOTE_TARGET_USERNAME": endpoint.user,
        "ANTIDOTE_TARGET_PASSWORD": endpoint.password,
        "LABWRIGHT_ENDPOINT": endpoint.name,
        "LABWRIGHT_INTERFACES": " ".join(endpoint.interfaces),
    }


def failure_of(ran: Ran, folder: Path, file: Path, limit: float) -> Failure:
    """Why a script did not end well. folder: the lesson as it saw it; file: relative to that; limit: seconds."""
    if ran.code is None:
        last = next((line.strip() for line in reversed(own_lines(ran.lines)) if line.strip()), "")
        after = f"; the last that it said: {last}" if last else ""
        return Failure(
            f"no end after {round(limit, 1):g} s{after}"[:LONGEST_REASON], _hung(ran.lines, folder) or str(file)
        )
    if ran.code < 0:
        return Failure(f"it was ended by signal {-ran.code}", str(file))
    raised = last_traceback(ran.errors.splitlines() or ran.lines, folder)
    # Only what nobody caught ends Python with 1; what stands in the output otherwise was dealt with by the script.
    if ran.code == 1 and raised.said:
        return Failure(
            raised.said[:LONGEST_REASON], raised.where or str(file), raised.name not in HOPELESS, raised.name
        )
    after = f": {ran.last}" if ran.last else ", and said nothing"
    return Failure(f"it ended with exit status {ran.code}{after}"[:LONGEST_REASON], str(file))


def own_lines(lines: Iterable[str]) -> list[str]:
    """What a script said itself: no notes of ours, and no dump of its frames."""
    return [line for line in lines if not line.startswith((NOTE, *DUMPED))]


@dataclass(frozen=True)
class Raised:
    """The last traceback of a text. said: the exception. where: its innermost place inside the lesson."""

    said: str = ""
    where: str = ""

    @property
    def name(self) -> str:
        """The class of the exception, without its module."""
        found = CLASS.match(self.said)
        return found[1].rpartition(".")[2] if found else ""


def last_traceback(lines: Iterable[str], folder: Path) -> Raised:
    """What a script said of its end. folder: the lesson as it saw it."""
    said, where, inside = "", "", False
    for line in lines:
        if HEADER.search(line):
            said, inside = "", True
        elif frame := FRAME.match(line):
            # A syntax error of the script itself has no header.
            said, inside = "", True
            where = _place(frame, folder) or where
        elif inside and (raised := RAISED.match(line)):
            said, inside = raised["said"], False
        elif said.endswith(":") and line.strip():
            said = f"{said} {line.strip()}"
    return Raised(said, where)


def _hung(lines: Iterable[str], folder: Path) -> str:
    dump = itertools.dropwhile(lambda line: DUMP not in line, lines)
    places = (_place(frame, folder) for frame in map(FRAME.match, dump) if frame)
    return next(filter(None, places), "")


def _place(frame: re.Match[str], folder: Path) -> str:
    path = Path(frame["path"])
    return f"{path.relative_to(folder)}:{frame['line']}" if path.is_relative_to(folder) else ""
