"""The nightly build for people: a line an image when it starts and when it ends; on a terminal also what runs now."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from labwright.hooks import Event, hookimpl
from labwright.host.quantities import duration, size
from labwright.host.text import plain
from labwright.nightly.model import Failure, ImageNight, Night

STATES = {
    "built": ("[green]✓[/green]", "built"),
    "unchanged": ("[green]=[/green]", "unchanged"),
    "failed": ("[red]✗[/red]", "failed"),
    "skipped": ("[yellow]-[/yellow]", "skipped"),
}


class NightView:
    """Listens to a night."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._now: dict[str, tuple[str, float]] = {}

    @contextlib.contextmanager
    def shown(self) -> Iterator[NightView]:
        """Show what runs now while the body runs, where there is a terminal."""
        if not self._console.is_terminal:
            yield self
            return
        with Live(console=self._console, refresh_per_second=2, transient=True, get_renderable=self._table):
            yield self

    @hookimpl
    def labwright_event(self, event: Event) -> None:
        """A build's own event: a warning is said, the rest is what runs now."""
        if event.kind == "warning":
            who = f"{escape(event.image)}: " if event.image else ""
            self._print(f"[yellow]![/yellow] {who}{escape(plain(event.text))}")
        elif event.kind in {"step-started", "progress"} and event.image:
            before = self._now.get(event.image)
            step = event.step or event.text
            text = step if event.kind == "step-started" else f"{step}: {plain(event.text)}"
            since = before[1] if before and before[0].partition(":")[0] == step else time.monotonic()
            self._now[event.image] = (text, since)

    def changed(self, _: Night, image: ImageNight) -> None:
        """An image has another state."""
        self._now.pop(image.slug, None)
        slug = f"[bold]{escape(image.slug)}[/bold]"
        why = escape(plain(image.why))
        if image.state == "building":
            again = f", try {image.attempts}" if image.attempts > 1 else ""
            self._print(f"  {slug}: building{again} ({why})")
        elif image.state in STATES:
            sign, word = STATES[image.state]
            told = {"unchanged": "", "skipped": f": {why}", "failed": f": {escape(_what(image))}"}
            took = f" in {duration(image.seconds)}" if image.seconds else ""
            built = f"{took}{', ' + size(image.delivered.bytes) if image.delivered else ''}"
            self._print(f"{sign} {slug} {word}{told.get(image.state, built)}")

    def summary(self, night: Night, page: Path) -> None:
        """How the night ended: what failed and what to do about it comes last, where it is read first."""
        counts = Counter[str](image.state for image in night.images)
        words = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
        self._print(f"\nnight {night.name}: {words}, in {duration(night.seconds)}")
        self._print(f"the page: {escape(str(page))}")
        for image in night.images:
            for failure in filter(None, (image.failure, *image.publish_failures)):
                self._failure(image, failure, page)

    def _failure(self, image: ImageNight, failure: Failure, page: Path) -> None:
        self._print(f"\n[bold red]{escape(image.slug)}[/bold red] ({escape(failure.cause)}): {escape(failure.what)}")
        for line in failure.details:
            self._print(f"  [dim]│[/dim] {escape(plain(line))}")
        if failure.hint:
            self._print(f"[bold]what to do[/bold]: {escape(plain(failure.hint))}")
        if failure.log:
            self._print(f"the whole log: {escape(str(page.parent / failure.log))}")

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for slug, (text, since) in sorted(self._now.items()):
            table.add_row(f"  [bold]{escape(slug)}[/bold]", escape(text), duration(time.monotonic() - since))
        return table

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def _what(image: ImageNight) -> str:
    return plain(image.failure.what) if image.failure else ""
