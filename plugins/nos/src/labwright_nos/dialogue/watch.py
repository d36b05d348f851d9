"""Waiting for one of several things on a console: questions, lines that pass by, silence, the time limit."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline, Heartbeat
from labwright_nos.dialogue.console import Console
from labwright_nos.profile.model import Answer

ASKS = re.compile(r"[?:\])]\s*$")
"""A last line that looks like a question: Enter would answer it, and nobody knows with what."""
AGAIN = 5
"""Times as long a last line has to stand to be asked again."""
WORDY = 6
"""Characters that a question must have to be known in the middle of a line."""
MEGABYTE = 1_000_000
SILENCE = "the console stayed silent: does this system write to its serial port, and does it like this hardware?"
UNKNOWN = "no state of the profile answers that: add an answer to it, or to console.always"
TOO_SLOW = "the lines above say how far it came; a busy host needs more time: run it again when it is idle"


@dataclass(frozen=True)
class Rule:
    """One thing to wait for. question: the unfinished last line, with nothing after it for a moment; else any line.

    open: what a question looks like in a line that something else has gone on with.
    """

    pattern: re.Pattern[str]
    question: bool
    answer: Answer | None = None
    open: re.Pattern[str] | None = None


@dataclass(frozen=True)
class Seen:
    """What came. rule: None for silence that has lasted. match: where the pattern fits."""

    rule: Rule | None
    match: re.Match[str] | None = None


@dataclass(frozen=True)
class Patience:
    """Times in seconds of this host: settle makes a last line a question, quiet is silence that is acted upon."""

    limit: float
    settle: float
    quiet: float = 0.0


class Watch:
    """A wait in one state. For one who looks on: beat says now and then where it is."""

    def __init__(self, console: Console, where: str, patience: Patience, say: Callable[[str], None]) -> None:
        self._console = console
        self._where = where
        self._patience = patience
        self._deadline = Deadline(patience.limit, console.clock)
        self._beat = Heartbeat(say, clock=console.clock)
        self._before = console.received
        self._open: Seen | None = None
        """A question that noise has ended the line of: nothing was typed since, so the device still waits."""

    @property
    def passed(self) -> float:
        """Seconds since the wait began."""
        return self._deadline.passed

    def stop_nudging(self) -> None:
        """Silence is no longer acted upon."""
        self._patience = Patience(self._patience.limit, self._patience.settle)

    def pause(self, seconds: float, missing: str = "") -> None:
        """Listen for a while. missing: what is waited for. Raises LabwrightError (guest) at the limit."""
        end = Deadline(min(seconds, self._deadline.left), self._console.clock)
        while not end.expired:
            self._console.listen(max(end.left, 0.001))
            if self._console.closed:
                return
        if self._deadline.expired:
            if missing:
                self._give_up(f"{missing} after {self._deadline.seconds:.0f} s", TOO_SLOW)
            self._too_late()

    def look(self, rules: Sequence[Rule]) -> Seen | None:
        """What is there now, without waiting longer than until a question counts as one."""
        if self._console.closed:
            time.sleep(self._patience.settle)
        self._console.listen(self._patience.settle)
        return self._passed(rules, None) or (
            self._asked(rules) if self._console.silent >= self._patience.settle else None
        )

    def next(self, rules: Sequence[Rule], passing: Callable[[str], None] | None = None) -> Seen:
        """What comes first. passing: told of every line. Raises LabwrightError (guest) at the limit, or at the end."""
        console, patience = self._console, self._patience
        self._open = None
        while True:
            if seen := self._passed(rules, passing):
                return seen
            if console.closed or console.silent >= patience.settle:
                if seen := self._asked(rules):
                    return seen
                if console.closed:
                    self._give_up("the console is gone", "the machine ended or crashed: the lines above are its last")
                if patience.quiet and console.silent >= patience.quiet and not ASKS.search(console.last):
                    return self._open or Seen(None)
            if self._deadline.expired:
                self._too_late()
            self._beat.beat(f"{self._where}: {(console.transcript.tail(1) or ['nothing on the console yet'])[0]}")
            console.listen(min(patience.settle, max(self._deadline.left, 0.001)))

    def _passed(self, rules: Sequence[Rule], passing: Callable[[str], None] | None) -> Seen | None:
        """The first line that a rule waits for; the lines before it have passed."""
        notices = [rule for rule in rules if not rule.question]
        questions = [rule for rule in rules if rule.open]
        while self._console.lines:
            line = self._console.lines.popleft()
            if passing:
                passing(line)
            if seen := _first(notices, line):
                return seen
            self._open = next((seen for rule in questions if (seen := self._still_open(rule, line))), self._open)
        return None

    def _still_open(self, rule: Rule, line: str) -> Seen | None:
        """A question in a line that something has gone on with, but for one that we have just answered."""
        match = rule.open.search(line) if rule.open else None
        if not match or len(match.group()) < WORDY or match.group() in self._console.answered:
            return None
        return Seen(rule, match)

    def _asked(self, rules: Iterable[Rule]) -> Seen | None:
        console = self._console
        # The same question again: after an answer of ours it is more often drawn anew than asked anew.
        again = bool(console.last) and console.last == console.answered
        if not console.last or (again and not console.closed and console.silent < AGAIN * self._patience.settle):
            return None
        seen = _first(rules, console.last)
        if not seen and console.silent >= AGAIN * self._patience.settle:
            # Noise in its middle leaves its beginning at the end of a line and its end here.
            whole = (_first(rules, line + console.last) for line in reversed(console.recent) if line)
            seen = next((one for one in whole if one), None)
        if seen:
            console.last = ""
        return seen

    def _too_late(self) -> NoReturn:
        """Say why nothing came, by what did."""
        console, seconds = self._console, self._deadline.seconds
        flood = console.received - self._before
        asks = console.transcript.masked(console.last.strip())
        if not console.received:
            self._give_up(f"nothing at all came within {seconds:.0f} s", SILENCE)
        if flood > MEGABYTE:
            text = (
                f"what it waits for did not come within {seconds:.0f} s, but {flood / MEGABYTE:.0f} MB of other things"
            )
            self._give_up(text, "the device floods its console: the lines above are the last of it")
        if asks:
            self._give_up(f"it shows {asks[:100]!r}, and nothing else came within {seconds:.0f} s", UNKNOWN)
        self._give_up(f"what it waits for did not come within {seconds:.0f} s", TOO_SLOW)

    def _give_up(self, what: str, hint: str) -> NoReturn:
        raise LabwrightError(
            f"{self._where}: {what}", cause=Cause.GUEST,
            details=self._console.transcript.tail() or ["(the console is empty)"], hint=hint,
        )  # fmt: skip


def _first(rules: Iterable[Rule], line: str) -> Seen | None:
    for rule in rules:
        if match := rule.pattern.search(line):
            return Seen(rule, match)
    return None
