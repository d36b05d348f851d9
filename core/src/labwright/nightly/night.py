"""One night, image by image: looked at, built where something changed, in service after its tests."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from labwright.errors import Cause, LabwrightError, os_error
from labwright.hooks import Event
from labwright.host.interrupts import undisturbed
from labwright.host.teardown import remove_folder
from labwright.nightly import record, service
from labwright.nightly.executor import Executor, Job, JobResult
from labwright.nightly.failures import failure, failure_of, keep_log
from labwright.nightly.graph import priorities, with_dependents
from labwright.nightly.images import Candidate
from labwright.nightly.model import KEPT_STATES, Failure, ImageNight, Night, encodable
from labwright.nightly.places import Places
from labwright.nightly.retries import CRASHES, PAUSES, Tried, again

TICK = 1.0
"""Seconds in which nothing has to happen: events are passed on that often."""
UNKNOWN = 600.0
"""Seconds that an image is taken to need of which nothing is known."""
LOST = {"failed", "skipped"}


class Look(Protocol):
    """What a build would change; see labwright.pipeline.outlook.Outlook."""

    @property
    def why(self) -> str:
        """In words; empty for nothing."""

    @property
    def seconds(self) -> float:
        """That it would take."""

    @property
    def memory(self) -> int:
        """Bytes at its peak."""

    @property
    def disk(self) -> int:
        """Bytes at its peak."""


Looker = Callable[[Candidate, Path | None, Path | None], Look]
"""Says what a build of an image would change. Given the folder of the version in service of its base, and its own."""

Vouch = Callable[[Path, str, Night], None]
"""Puts what vouches for an image beside it: the folder that a build delivered to, and the image's slug."""


@dataclass(frozen=True)
class Rules:
    """How a night is run. retries: how often the network gets another chance, and 0 for none at all of any kind.

    vouch: called for a tested image before it is in service; what it raises fails the image. renew: the same for one
    that stays in service, and its folder.
    """

    locked: bool = False
    offline: bool = False
    retries: int = 3
    pauses: tuple[float, ...] = PAUSES
    vouch: Vouch = lambda *_: None
    renew: Vouch = lambda *_: None


@dataclass(frozen=True)
class Listener:
    """Who is told. event: of a build's own events. changed: of an image whose state is another now. tick: that about a
    second has passed."""

    event: Callable[[Event], None] = lambda _: None
    changed: Callable[[Night, ImageNight], None] = lambda *_: None
    tick: Callable[[], None] = lambda: None


@dataclass
class Book:
    """The record of the night, on the disk after every change."""

    places: Places
    night: Night
    listener: Listener = field(default_factory=Listener)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._before = self.night.seconds
        self.night = encodable(self.night)

    def image(self, slug: str) -> ImageNight:
        """What is known of an image."""
        return next(image for image in self.night.images if image.slug == slug)

    def put(self, image: ImageNight) -> None:
        """Write down an image's new state, and tell of it. Raises OSError."""
        image = encodable(image)
        images = tuple(image if one.slug == image.slug else one for one in self.night.images)
        self.save(images=images)
        self.listener.changed(self.night, image)

    def save(self, images: tuple[ImageNight, ...] | None = None, finished: bool = False) -> None:
        """Write the record. Raises OSError."""
        seconds = round(self._before + time.monotonic() - self.began, 3)
        kept = self.night.images if images is None else images
        self.night = replace(self.night, images=kept, seconds=seconds, finished=finished)
        record.write(self.places, self.night)


@dataclass
class Way:
    """An image's way through the night. not_before: time.monotonic(). seconds: of attempts that ended."""

    candidate: Candidate
    tried: Tried = field(default_factory=Tried)
    not_before: float = 0.0
    alone: bool = False
    look: Look | None = None
    began: float = 0.0
    seconds: float = 0.0


def run_night(
    book: Book, candidates: Sequence[Candidate], executor: Executor, looker: Looker, rules: Rules,
    expected: Mapping[str, float] | None = None,
) -> Night:  # fmt: skip
    """Bring every image that still waits to an end. expected: seconds that builds take, for what was not looked at yet.

    Returns the night, whose images are all built, unchanged, failed or skipped; it is not finished yet. Raises
    LabwrightError and OSError where the night itself cannot go on: a full disk, a record that cannot be written.
    """
    return _Run(book, candidates, executor, looker, rules, expected or {}).to_its_end()


class _Run:
    def __init__(
        self, book: Book, candidates: Sequence[Candidate], executor: Executor, looker: Looker, rules: Rules,
        expected: Mapping[str, float],
    ) -> None:  # fmt: skip
        self._book, self._executor, self._looker, self._rules = book, executor, looker, rules
        self._ways = {one.slug: Way(one) for one in candidates}
        self._needs = {one.slug: () if one.failure else one.needs for one in candidates}
        self._suspects = {one.slug for one in book.night.images if one.crashes and one.state == "waiting"}
        for slug in self._suspects & self._ways.keys():
            # What was being built beside the one that brought the machine down is not to be suspected again.
            self._ways[slug].alone = True
        self._held = with_dependents(self._needs, self._suspects)
        self._expected = expected
        self._building: dict[str, Way] = {}
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def to_its_end(self) -> Night:
        try:
            with self._executor:
                self._give_up_what_crashed()
                while self._waiting() or self._building:
                    self._skip()
                    self._look()
                    self._start()
                    for result in self._executor.wait(self._pause()):
                        self._ended(result)
                    self._pass_on()
                    self._book.listener.tick()
        except (KeyboardInterrupt, LabwrightError, OSError):
            self._put_back()
            raise
        return self._book.night

    @undisturbed()
    def _put_back(self) -> None:
        """An end in order is no crash of what was being built, which the record would say else."""
        back = tuple(
            replace(one, state="waiting") if one.state == "building" else one for one in self._book.night.images
        )
        # The disk may be what ended the night.
        with contextlib.suppress(OSError):
            self._book.save(images=back)

    def _waiting(self) -> list[Way]:
        """The images whose turn may come, the most urgent first, those that may bring the machine down last."""
        ways = [way for slug, way in self._ways.items() if self._state(slug) == "waiting"]
        seconds = {slug: self._seconds(way) for slug, way in self._ways.items()}
        urgency = priorities(self._needs, seconds)
        crashes = {image.slug: image.crashes for image in self._book.night.images}
        turns = {slug: (crashes[slug], -urgency[slug], slug) for slug in urgency}
        return sorted(ways, key=lambda way: turns[way.candidate.slug])

    def _seconds(self, way: Way) -> float:
        return way.look.seconds if way.look else self._expected.get(way.candidate.slug) or UNKNOWN

    def _state(self, slug: str) -> str:
        return self._book.image(slug).state

    def _give_up_what_crashed(self) -> None:
        """So that a build that brings the machine down is not begun for ever, by whatever starts us again."""
        for way in self._waiting():
            slug = way.candidate.slug
            if way.candidate.failure:
                self._put(way, "failed", failure=way.candidate.failure)
            elif self._book.image(slug).crashes >= CRASHES:
                text = f"the nightly build was killed {CRASHES} times while {slug} was built"
                hint = f"build it alone and look on: labwright build {way.candidate.folder}"
                self._put(way, "failed", failure=failure(text, Cause.HOST.value, hint))

    def _skip(self) -> None:
        """What starts from something that failed in this night, though an older version of that may be in service."""
        skipped = True
        while skipped:
            skipped = False
            for way in self._waiting():
                lost = [slug for slug in self._needs[way.candidate.slug] if self._state(slug) in LOST]
                if lost:
                    word = "failed" if self._state(lost[0]) == "failed" else "was skipped"
                    old = self._book.image(lost[0]).delivered
                    kept = (
                        f"; the {lost[0]} of night {old.since} stays in service, and so does what was made of it"
                        if old else ""
                    )  # fmt: skip
                    self._put(way, "skipped", why=f"it starts from {lost[0]}, which {word}{kept}")
                    skipped = True

    def _look(self) -> None:
        """Ask for each image whose bases are there what a build would change."""
        for way in self._waiting():
            slug = way.candidate.slug
            ready = all(self._state(base) in KEPT_STATES for base in self._needs[slug])
            if way.look or not ready or way.not_before > time.monotonic():
                continue
            places = self._book.places
            try:
                now = service.in_service(places, slug)
                look = self._looker(way.candidate, self._base(way), now)
                if now and not look.why:
                    self._rules.renew(now, slug, self._book.night)
            except LabwrightError as error:
                self._failed(way, failure_of(error), error.log)
                continue
            except OSError as error:
                self._failed(way, failure_of(os_error(error, slug)), None)
                continue
            way.look = look
            if look.why:
                self._put(way, "waiting", why=look.why)
            else:
                self._kept(way)
            self._pass_on()

    def _kept(self, way: Way) -> None:
        """In service is just what a build would make; after a crash that may be what this very night made."""
        slug = way.candidate.slug
        now = service.in_service(self._book.places, slug)
        ours = now is not None and now.name == self._book.night.name
        if ours:
            self._put(way, "built", why=self._book.image(slug).why or "it was built before the night was interrupted")
        else:
            self._put(way, "unchanged", why="nothing that goes into it has changed")

    def _base(self, way: Way) -> Path | None:
        needs = self._needs[way.candidate.slug]
        return service.in_service(self._book.places, needs[0]) if needs else None

    def _start(self) -> None:
        for way in self._waiting():
            if way.look is None or way.not_before > time.monotonic() or self._comes_last(way):
                continue
            if any(one.alone for one in self._building.values()):
                return
            job = self._job(way, way.look)
            if not (not self._building if way.alone else self._executor.admits(job)):
                continue
            self._begin(way, job)

    def _comes_last(self, way: Way) -> bool:
        """What may bring the machine down, while there is anything else that can be made before."""
        suspect = way.candidate.slug in self._suspects
        return suspect and any(self._state(slug) == "waiting" for slug in self._ways.keys() - self._held)

    def _begin(self, way: Way, job: Job) -> None:
        slug = way.candidate.slug
        image = self._book.image(slug)
        # On the disk before it begins: whoever finds it there after a crash knows what was at work.
        self._put(way, "building", why=image.why, attempts=image.attempts + 1, started=image.started or time.time())
        way.began = time.monotonic()
        self._building[slug] = way
        try:
            _remove(job.output)
            job.output.mkdir(parents=True)
            self._executor.start(job, self._events.put)
        except (LabwrightError, OSError) as error:
            del self._building[slug]
            known = error if isinstance(error, LabwrightError) else os_error(error, f"the build of {slug}")
            self._failed(way, failure_of(known), known.log)

    def _job(self, way: Way, look: Look) -> Job:
        one = way.candidate
        # What starts from somebody's disk takes its packages from that disk's own mirrors, which no lock knows.
        pinned = bool(one.needs) or one.spec is None or one.spec.build.source is None
        return Job(
            slug=one.slug,
            folder=one.folder,
            output=service.staging(self._book.places, self._book.night, one.slug),
            base=self._base(way),
            locked=self._rules.locked and pinned,
            offline=self._rules.offline and pinned,
            memory=look.memory,
            disk=look.disk,
        )

    def _ended(self, result: JobResult) -> None:
        slug = result.job.slug
        way = self._building.pop(slug)
        self._pass_on()
        failed = result.failure
        if failed is None:
            try:
                self._rules.vouch(result.job.output, slug, self._book.night)
                service.put_in_service(self._book.places, self._book.night, slug, result.job.output)
            except (LabwrightError, OSError) as error:
                known = error if isinstance(error, LabwrightError) else os_error(error, f"{slug} is built, but")
                failed = failure_of(known)
        way.seconds += result.seconds or time.monotonic() - way.began
        facts = {"steps": result.steps, "worker": result.worker, "seconds": round(way.seconds, 3)}
        if failed is None:
            self._put(way, "built", why=self._book.image(slug).why, **facts)
        else:
            self._failed(way, failed, result.log, **facts)
        _remove(result.job.output)

    def _failed(self, way: Way, failed: Failure, log: Path | None, **facts: object) -> None:
        """Wait for another try where that is worth it, or write the failure down."""
        image = self._book.image(way.candidate.slug)
        retry = again(failed.cause, way.tried, self._rules.retries, self._rules.pauses)
        if retry is not None:
            way.tried, way.alone = retry.tried, retry.alone or image.slug in self._suspects
            way.not_before = time.monotonic() + retry.pause
            how = "with nothing beside it" if retry.alone else f"in {retry.pause:.0f} s" if retry.pause else "now"
            self._book.listener.event(Event("warning", image.slug, text=f"{failed.what}; tried again {how}"))
            self._put(way, "waiting", why=image.why, **facts)
            return
        if log is not None:
            failed = self._with_log(image.slug, failed, log)
        self._put(way, "failed", why=image.why, failure=failed, **facts)

    def _with_log(self, slug: str, failed: Failure, log: Path) -> Failure:
        place = self._book.places.log(self._book.night, slug)
        try:
            keep_log(log, place)
        except OSError as error:
            return replace(failed, details=(*failed.details, f"its log could not be kept: {error.strerror}"))
        return replace(failed, log=place.relative_to(self._book.places.night(self._book.night)).as_posix())

    def _put(self, way: Way, state: str, **facts: object) -> None:
        slug = way.candidate.slug
        before = self._book.image(slug)
        if state not in {"waiting", "building"}:
            facts["delivered"] = service.delivered(self._book.places, self._book.night, slug)
        self._book.put(replace(before, state=state, **facts))  # type: ignore[arg-type]

    def _pause(self) -> float:
        """Seconds until something can happen that is not the end of a job."""
        now = time.monotonic()
        waiting = self._waiting()
        if not waiting and not self._building:
            return 0.0
        turns = [way.not_before - now for way in waiting if way.not_before > now]
        if not self._building and len(turns) < len(waiting) and any(self._may_go_on(way) for way in waiting):
            return 0.0
        return max(0.0, min([TICK, *turns]))

    def _may_go_on(self, way: Way) -> bool:
        bases = self._needs[way.candidate.slug]
        if way.look is not None and self._comes_last(way):
            return False
        return way.not_before <= time.monotonic() and all(self._state(one) in {*KEPT_STATES, *LOST} for one in bases)

    def _pass_on(self) -> None:
        """From here alone, whoever said it: what listens need not expect two voices at once."""
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                return
            self._book.listener.event(event)


def _remove(output: Path) -> None:
    if output.exists():
        remove_folder(output)
    output.with_name(f"{output.name}.log").unlink(missing_ok=True)
