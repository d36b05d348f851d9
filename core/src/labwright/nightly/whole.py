"""The nightly build from its lock to its last page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from labwright.errors import LabwrightError, os_error
from labwright.hooks import Event
from labwright.nightly import record, service
from labwright.nightly.executor import Executor
from labwright.nightly.images import Candidate, find_images
from labwright.nightly.lock import alone
from labwright.nightly.model import ImageNight, Night
from labwright.nightly.night import Book, Listener, Look, Looker, Rules, run_night
from labwright.nightly.places import PAGE, Places
from labwright.nightly.prune import Keep, prune_nights
from labwright.nightly.report import check_metrics, write_metrics, write_page
from labwright.pipeline.build import Wish
from labwright.pipeline.outlook import outlook, report_of
from labwright.pipeline.prune import prune
from labwright.pipeline.workshop import Workshop
from labwright.trust.revision import revision_of

PAGE_EVERY = 5.0
"""Seconds between two versions of the page of a night that is at work."""
Afterwards = Callable[[Book], None]
"""What is done with the images when all are built or not, such as their publication."""


@dataclass(frozen=True)
class Wanted:
    """What a night is asked for. images: the folder of the images' folders. only, without: see find_images.

    metrics: a file for a collector of metrics.
    """

    images: Path
    only: Sequence[str] = ()
    without: Sequence[str] = ()
    rules: Rules = field(default_factory=Rules)
    keep: Keep = field(default_factory=Keep)
    metrics: Path | None = None


def nightly(
    wanted: Wanted,
    places: Places,
    workshop: Workshop,
    executor: Callable[[], Executor],
    looker: Looker,
    listener: Listener,
    afterwards: Afterwards = lambda _: None,
) -> Night:
    """Run a night, or go on with the one that was not finished. executor: makes the one that builds.
    looker: says what changed, `looker_of` for what the mirrors give.

    Returns the finished night, with whatever failed in it. Raises LabwrightError and OSError where it cannot be run.
    """

    def say(text: str) -> None:
        listener.event(Event("warning", "", text=text))

    with alone(places):
        if wanted.metrics:
            # Before hours are spent: what is wrong with them at the end is a line in a log.
            check_metrics(wanted.metrics)
        candidates = find_images(wanted.images, wanted.only, wanted.without)
        _clear(places, workshop, say)
        if before := record.last(places):
            # Somebody may ask for fewer because the disk is full.
            prune_nights(places, before, wanted.keep, say)
        if closed := record.close_stale(places):
            say(f"night {closed.name} was not finished, and is too long ago to go on with")
        _mend_page(places, say)
        night = record.begin(places, candidates, revision_of(wanted.images, say))
        pages = Pages(places, listener, say)
        book = Book(places, night, replace(listener, changed=pages.changed, tick=pages.tick))
        book.save()
        run_night(book, candidates, executor(), looker, wanted.rules, _expected(places, candidates))
        afterwards(book)
        prune_nights(places, book.night, wanted.keep, say)
        book.save(finished=True)
        write_page(places, book.night, say)
        if wanted.metrics:
            write_metrics(places, book.night, wanted.metrics, say)
        try:
            prune(workshop)
        except (LabwrightError, OSError) as error:
            say(f"the cache could not be pruned: {error}")
    return book.night


def _clear(places: Places, workshop: Workshop, say: Callable[[str], None]) -> None:
    """What builds that were killed left: mounts and folders, and half of what they were to deliver."""
    for failure in workshop.ledger.clean().failures:
        say(f"left behind by an earlier build: {failure.what}")
    try:
        service.clear_staging(places)
    except OSError as error:
        raise os_error(error, f"what an earlier night left in {places.root} cannot be removed") from error


def _mend_page(places: Places, say: Callable[[str], None]) -> None:
    """Write the page of the last night where that night was killed between its last record and its last page."""
    before = record.last(places)
    if before is None:
        return
    page = places.night(before) / PAGE
    if not page.exists() or page.stat().st_mtime_ns < places.record(before).stat().st_mtime_ns:
        write_page(places, before, say)


@dataclass
class Pages:
    """The page of a night at work: written now and then, since ten images may change within a second."""

    places: Places
    listener: Listener
    say: Callable[[str], None]
    _stale: Night | None = None
    _written: float = -PAGE_EVERY
    _said: set[str] = field(default_factory=set)

    def changed(self, night: Night, image: ImageNight) -> None:
        """An image's state is another now: the page has to say so, at once or a few seconds later."""
        self._stale = night
        self._write()
        self.listener.changed(night, image)

    def tick(self) -> None:
        """Write what had to wait."""
        self._write()
        self.listener.tick()

    def _write(self) -> None:
        if self._stale and time.monotonic() - self._written >= PAGE_EVERY:
            self._written = time.monotonic()
            write_page(self.places, self._stale, self._once)
            self._stale = None

    def _once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.say(text)


def looker_of(workshop: Workshop, rules: Rules) -> Looker:
    """Asks the mirrors, each once a night, and compares with what is in service."""

    def look(one: Candidate, base: Path | None, delivered: Path | None) -> Look:
        assert one.spec is not None, "one without a description has failed before"
        pinned = one.spec.build.source is None
        wish = Wish(one.spec, one.folder, rules.locked and pinned, rules.offline and pinned, base=base)
        return outlook(wish, workshop, delivered)

    return look


def _expected(places: Places, candidates: Sequence[Candidate]) -> dict[str, float]:
    """Seconds that the steps of each image took when they last ran, as far as it was ever built here."""
    found = {}
    for one in candidates:
        folder = service.in_service(places, one.slug)
        steps = report_of(one.slug, folder).get("steps") if folder else None
        if isinstance(steps, dict):
            seconds = [step.get("seconds") for step in steps.values() if isinstance(step, dict)]
            found[one.slug] = sum(float(one) for one in seconds if isinstance(one, int | float))
    return found
