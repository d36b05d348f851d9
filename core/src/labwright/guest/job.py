"""A command that a lesson brings with it: run to its end or to its time limit, its output kept without passwords."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labwright.errors import Cause, LabwrightError, os_error
from labwright.host.mask import Mask, basic
from labwright.host.text import plain
from labwright.interfaces import Endpoint, Workbench

ANY = range(-64, 256)
"""Exit codes, of signals too: how a script ended is for its author, and no failure of ours."""
KEPT_LINES = 400
LARGEST_OUTPUT = 32 * 1024 * 1024
MOST_LINES = 300_000
"""Characters, and lines, of both streams; a command that says more is ended."""
LONGEST = 2000
"""Characters of a line that is kept for people; the log has the rest."""


NOTE = "labwright: "
"""Begins a line in a command's output that is ours and not the command's."""


@dataclass(frozen=True)
class Ran:
    """How a command ended. code: None at the time limit. errors: the beginning of standard error. lines: the last of
    both streams. seconds: how long it ran. No password is in any of it, and nothing that a terminal would obey.
    """

    code: int | None
    output: str
    errors: str
    lines: tuple[str, ...]
    seconds: float

    @property
    def text(self) -> str:
        """The last lines of both streams."""
        return "\n".join(self.lines)

    @property
    def last(self) -> str:
        """The last line of its own that says something."""
        own = (line.strip() for line in reversed(self.lines) if not line.startswith(NOTE))
        return next(filter(None, own), "")


def mask_for(endpoint: Endpoint | None) -> Mask:
    """Takes an endpoint's password out of what its job says."""
    return Mask((endpoint.password, basic(endpoint.user, endpoint.password)) if endpoint else ())


def run_job(
    argv: Sequence[str | Path],
    bench: Workbench,
    mask: Mask,
    limit: float,
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: str | None = None,
    shown: Callable[[str], bool] = bool,
    unlogged: str = "",
) -> Ran:
    """Run a command of a lesson. limit: seconds. shown: which lines people see as they come; the log gets all of them.

    unlogged: lines that begin so are in `output` alone. Raises LabwrightError for what is no fault of the command: a
    tool that is not there, a full disk, a machine that died.
    """
    what = f"{Path(argv[0]).name} of a lesson"
    listener = _Listener(bench, mask, shown, unlogged, what)
    started = time.monotonic()
    try:
        with listener:
            done = bench.run(
                argv, cwd=cwd, env=env, stdin=stdin, timeout=limit, log=None, on_line=listener.take, accept=ANY,
                what=what,
            )  # fmt: skip
    except LabwrightError as error:
        seconds = time.monotonic() - started
        if error.cause in {Cause.DISK_FULL, Cause.MEMORY, Cause.INTERRUPTED} or seconds < limit:
            raise _masked(error, mask) from None
        return Ran(None, "", "", tuple(listener.lines), seconds)
    return Ran(done.code, mask(done.output), _clean(done.errors, mask), tuple(listener.lines), done.seconds)


class _Listener:
    """Takes lines as they come. Not from two threads at once: run() sees to that."""

    def __init__(
        self, bench: Workbench, mask: Mask, shown: Callable[[str], bool], unlogged: str, what: str
    ) -> None:  # fmt: skip
        self._bench, self._mask, self._shown, self._unlogged, self._what = bench, mask, shown, unlogged, what
        self._log: IO[str] | None = None
        self._size = self._count = 0
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)

    def __enter__(self) -> _Listener:
        if self._bench.log is not None:
            try:
                self._log = self._bench.log.open("a", encoding="utf-8", buffering=1)
            except OSError as error:
                raise os_error(error, "the log of a job cannot be written") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._log is not None:
            # What a full disk did not take was reported when it was written.
            with contextlib.suppress(OSError):
                self._log.close()

    def take(self, line: str) -> None:
        if self._unlogged and line.startswith(self._unlogged):
            return
        self._size += len(line) + 1
        self._count += 1
        if self._size > LARGEST_OUTPUT or self._count > MOST_LINES:
            raise LabwrightError(
                f"{self._what}: it wrote more than {LARGEST_OUTPUT >> 20} MiB, or {MOST_LINES} lines",
                cause=Cause.GUEST,
                details=list(self.lines)[-3:],
                hint="does it repeat itself? its log has all up to there",
            )
        said = _clean(line, self._mask)
        if self._log is not None:
            try:
                self._log.write(f"{said}\n")
            except OSError as error:
                raise os_error(error, "the log of a job cannot be written") from error
        self.lines.append(said[:LONGEST])
        if self._shown(said):
            self._bench.say(said[:LONGEST])


def _masked(error: LabwrightError, mask: Mask) -> LabwrightError:
    return LabwrightError(
        mask(error.what),
        cause=error.cause,
        hint=error.hint,
        details=[_clean(line, mask) for line in error.details],
        log=error.log,
    )


def _clean(text: str, mask: Mask) -> str:
    """Text that is fit to be kept: a secret may hide behind a colour that begins in the middle of it."""
    return mask(plain(mask(text)))
