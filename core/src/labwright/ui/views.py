"""The two ways to watch a build: for a person, and as JSON lines for a program. Both listen to the same events."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from labwright.errors import LabwrightError
from labwright.hooks import Event, hookimpl
from labwright.host.quantities import duration
from labwright.host.text import plain


class JsonView:
    """One JSON object a line, one line an event."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    @hookimpl
    def labwright_event(self, event: Event) -> None:
        """Write the event."""
        self.write(time=round(time.time(), 3), **asdict(event))

    def result(self, **facts: object) -> None:
        """The last line of a command that succeeded."""
        self.write(kind="result", **facts)

    def error(self, error: LabwrightError) -> None:
        """The last line of a command that failed."""
        self.write(kind="error", **error_facts(error))

    def write(self, **facts: object) -> None:
        """One line."""
        self._stream.write(json.dumps(facts, sort_keys=True, default=str) + "\n")
        self._stream.flush()


def error_facts(error: LabwrightError) -> dict[str, object]:
    """An error as data."""
    return {
        **error.facts,
        "what": error.what,
        "cause": error.cause.value,
        "hint": error.hint,
        "details": list(error.details),
        "log": str(error.log) if error.log else None,
        "exit_code": error.cause.exit_code,
    }


class RichView:
    """For people: a line for each finished step; on a terminal also what runs now, for how long, and what is left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._said = 0.0

    @contextlib.contextmanager
    def shown(self) -> Iterator[RichView]:
        """Show the status line while the body runs."""
        if not self._console.is_terminal:
            yield self
            return
        with self._console.status("starting") as self._status:
            yield self
        self._status = None

    @hookimpl
    def labwright_event(self, event: Event) -> None:
        """Say it."""
        say = getattr(self, f"_{event.kind.replace('-', '_')}")
        say(event)

    def _build_started(self, event: Event) -> None:
        self._console.print(f"[bold]{escape(event.image)}[/bold]: {escape(event.text)}")

    def _step_started(self, event: Event) -> None:
        self._said = time.monotonic()
        last = f", last time {duration(event.expected)}" if event.expected else ""
        self._now(f"{_number(event)}{escape(event.text)}{last}")

    def _progress(self, event: Event) -> None:
        left = ""
        if event.expected > event.seconds:
            left = f", about {duration(event.expected - event.seconds)} left"
        line = f"{_number(event)}{escape(plain(event.text))} ({duration(event.seconds)}{left})"
        if self._status is not None:
            self._now(line)
        elif time.monotonic() - self._said > 15:
            self._said = time.monotonic()
            self._console.print(f"  … {line}", highlight=False)

    def _warning(self, event: Event) -> None:
        self._console.print(f"  [yellow]![/yellow] {escape(plain(event.text))}", highlight=False)

    def _step_finished(self, event: Event) -> None:
        how = "kept from an earlier build" if event.outcome == "cached" else duration(event.seconds)
        self._console.print(f"  [green]✓[/green] {_number(event)}{escape(event.text)}: {how}", highlight=False)

    def _step_failed(self, event: Event) -> None:
        self._console.print(f"  [red]✗[/red] {_number(event)}{escape(event.step)}", highlight=False)

    def _build_finished(self, event: Event) -> None:
        where = escape(event.text)
        self._console.print(f"[bold]{escape(event.image)}[/bold] is ready after {duration(event.seconds)}: {where}")

    def _now(self, line: str) -> None:
        if self._status is not None:
            self._status.update(line)


def _number(event: Event) -> str:
    return f"{event.index}/{event.count} " if event.count else ""


def show_error(error: LabwrightError, console: Console) -> None:
    """What failed, the class of the cause, the last lines that matter, what to do."""
    print_plain = {"highlight": False, "soft_wrap": True}
    console.print(f"[bold red]error[/bold red] ({error.cause.value}): {escape(plain(error.what))}", **print_plain)  # type: ignore[arg-type]
    for line in error.details:
        console.print(f"  [dim]│[/dim] {escape(plain(line))}", **print_plain)  # type: ignore[arg-type]
    if error.hint:
        console.print(f"[bold]what to do[/bold]: {escape(plain(error.hint))}", **print_plain)  # type: ignore[arg-type]
    if error.log:
        console.print(f"the whole log: {escape(str(error.log))}", **print_plain)  # type: ignore[arg-type]
