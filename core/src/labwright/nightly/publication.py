"""The images of a night to a registry: what is new there, and a finding of the night where that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from labwright.errors import Cause, LabwrightError, os_error
from labwright.hooks import Event
from labwright.nightly import record
from labwright.nightly.failures import failure, failure_of
from labwright.nightly.model import KEPT_STATES, Failure, ImageNight, Night, Published
from labwright.nightly.night import Book
from labwright.nightly.retries import PAUSES, Tried, again
from labwright.pipeline.runner import scratch_folder
from labwright.pipeline.workshop import Workshop
from labwright.publish.delivered import read_delivered
from labwright.publish.kinds import kind_named
from labwright.publish.labels import Origin
from labwright.publish.presence import lacks
from labwright.publish.publish import PublishOptions, publish
from labwright.registry.client import Registry
from labwright.registry.reference import Reference, parse_reference
from labwright.registry.transport import Access
from labwright.trust.keys import PublicKey, load_private_key

LATEST = "latest"
BUG = "this is a bug of labwright: please report it"


@dataclass(frozen=True)
class Destination:
    """Where images go: <prefix>/<slug>, in each of the kinds. key: names a private key to sign with, empty for none."""

    prefix: str
    kinds: tuple[str, ...]
    key: str = ""
    access: Access = field(default_factory=Access)

    def place(self, slug: str, kind: str, tag: str) -> Reference:
        """The reference of an image. Kinds that share a repository have tags of their own, but for the first.

        Raises LabwrightError (config).
        """
        suffix = "" if kind == self.kinds[0] else f"-{kind_named(kind).tag_suffix or kind}"
        return parse_reference(f"{self.prefix.rstrip('/')}/{slug}:{tag}{suffix}")

    def check(self, nights: Path) -> None:
        """Raise LabwrightError (config) for a prefix, a kind or a key that cannot be, before a night is spent.

        nights: the folder of all nights, which anybody may see, so that no key may be in it.
        """
        self.signer(nights)
        for kind in self.kinds:
            kind_named(kind)
            self.place("image", kind, LATEST)

    def signer(self, nights: Path) -> str:
        """The identifier of the key; empty for none. Raises LabwrightError (config)."""
        public = self.public(nights)
        return public.identifier if public else ""

    def public(self, nights: Path) -> PublicKey | None:
        """The public half of the key. Raises LabwrightError (config)."""
        return load_private_key(self.key, "--key", nights).public if self.key else None


class Publisher(Protocol):
    """A registry. Both raise LabwrightError."""

    def __call__(self, image: Path, place: Reference, kind: str, force: bool) -> Published:
        """Bring one image to its reference, replacing what is there where `force` is set."""

    def lacks(self, latest: Reference, kept: Published, key: PublicKey | None) -> str:
        """What the registry has no more of what it was given and `key` signed, in words; empty where it has all."""


def tag_of(night: Night) -> str:
    """The tag of what a night made: its date (UTC), for people, and its number, since clocks jump."""
    return f"{time.strftime('%Y-%m-%d', time.gmtime(night.started))}-{night.name}"


def publish_night(
    book: Book, destination: Destination, publisher: Publisher, retries: int,
    pauses: tuple[float, ...] = PAUSES, sleep: Callable[[float], None] = time.sleep,
) -> None:  # fmt: skip
    """Publish each image in service of which the registry does not have this version yet, signed by this key.

    Of what an earlier night published, the registry is asked whether it still has it. A failure is written down with
    its image, and the rest goes on. Raises OSError where the record cannot be written.
    """
    before = _published_before(book)
    for image in book.night.images:
        if image.state not in KEPT_STATES or image.delivered is None:
            continue
        known = _known(image, before.get(image.slug, ()))
        done: list[Published] = []
        failed: list[Failure] = []
        for kind in destination.kinds:
            try:
                work = partial(_brought, book, image, destination, publisher, kind, known)
                done.append(_patiently(book, image, work, retries, pauses, sleep))
            except LabwrightError as error:
                failed.append(failure_of(error))
                if error.cause is Cause.NETWORK:
                    # A registry that was waited for once is not waited for again with each image.
                    retries = 0
            except Exception as error:  # the others are to be published, and the night is to end
                what = f"publishing it failed: {type(error).__name__}: {error}"
                failed.append(failure(what, Cause.INTERNAL.value, BUG))
        if (tuple(done), tuple(failed)) != (image.published, image.publish_failures):
            book.put(replace(book.image(image.slug), published=tuple(done), publish_failures=tuple(failed)))


Seen = tuple[ImageNight, Published]
"""What a night wrote down of an image, and one of the places to which it brought it."""


def _published_before(book: Book) -> dict[str, tuple[Seen, ...]]:
    """All that earlier nights published, by the slugs of images, the newest first.

    The last night alone does not know: it may have been without this image, or without --publish.
    """
    found: dict[str, tuple[Seen, ...]] = {}
    for number in reversed(record.numbers(book.places)):
        night = record.read(book.places, number) if number < book.night.number else None
        for image in night.images if night else ():
            found[image.slug] = (*found.get(image.slug, ()), *((image, one) for one in image.published))
    return found


def _known(image: ImageNight, before: Sequence[Seen]) -> tuple[Published, ...]:
    """What the registry was last given of this image, where that is this very version."""
    now: tuple[Seen, ...] = tuple((image, one) for one in image.published)
    earlier: tuple[Seen, ...] = tuple((old, replace(one, uploaded=0)) for old, one in before)
    last: dict[tuple[str, str], Seen] = {}
    for old, one in (*now, *earlier):
        last.setdefault((one.kind, _repository(one)), (old, one))
    wanted = image.delivered.sha256 if image.delivered else ""
    return tuple(one for old, one in last.values() if old.delivered and old.delivered.sha256 == wanted)


def _repository(one: Published) -> str:
    return one.reference.partition("@")[0].rpartition(":")[0]


def _patiently(
    book: Book, image: ImageNight, work: Callable[[], Published], retries: int, pauses: tuple[float, ...],
    sleep: Callable[[float], None],
) -> Published:  # fmt: skip
    tried = Tried()
    while True:
        try:
            return work()
        except LabwrightError as error:
            retry = again(error.cause.value, tried, retries, pauses)
            if retry is None:
                raise
            text = f"publishing it failed: {error.what}; tried again in {retry.pause:.0f} s"
            book.listener.event(Event("warning", image.slug, text=text))
            tried = retry.tried
            sleep(retry.pause)


def _brought(
    book: Book, image: ImageNight, destination: Destination, publisher: Publisher, kind: str, known: Sequence[Published]
) -> Published:  # fmt: skip
    """What was there already, signed by the key of today and still in the registry, or what is sent now."""
    latest = destination.place(image.slug, kind, LATEST)
    place = f"{latest.host}/{latest.repository}"
    key = destination.public(book.places.root)
    signer = key.identifier if key else ""
    kept = next((one for one in known if one.kind == kind and _repository(one) == place), None)
    if kept and (not signer or kept.signer == signer):
        lacking = publisher.lacks(latest, kept, key)
        if not lacking:
            return kept
        book.listener.event(Event("warning", image.slug, text=f"published again, as {kind}: {lacking}"))
    published = _both_tags(book, image, destination, publisher, kind)
    return replace(published, signer=signer if published.signed else "")


def _both_tags(
    book: Book, image: ImageNight, destination: Destination, publisher: Publisher, kind: str
) -> Published:  # fmt: skip
    """The night's own tag, which nothing replaces; then the one that moves."""
    assert image.delivered is not None
    disk = book.places.root / image.delivered.folder / f"{image.slug}.qcow2"
    published = publisher(disk, destination.place(image.slug, kind, tag_of(book.night)), kind, force=False)
    publisher(disk, destination.place(image.slug, kind, LATEST), kind, force=True)
    return published


@dataclass(frozen=True)
class RegistryPublisher:
    """Brings images to a real registry. revision: of the images' folder."""

    workshop: Workshop
    destination: Destination
    revision: str

    def __call__(self, image: Path, place: Reference, kind: str, force: bool) -> Published:
        """See Publisher."""

        def say(text: str) -> None:
            self.workshop.emit(Event("progress", image.stem, "publish", text))

        where = self.destination
        options = PublishOptions(where.access, force, origin=Origin(self.revision), key=where.key)
        try:
            with scratch_folder(self.workshop.paths, self.workshop.ledger) as scratch:
                bench = self.workshop.runner(image.stem).workbench(scratch, say, scratch / "log")
                done = publish(read_delivered(image), place, kind_named(kind), options, bench)
        except OSError as error:
            raise os_error(error, f"{image.stem} cannot be published") from error
        return Published(**asdict(done))

    def lacks(self, latest: Reference, kept: Published, key: PublicKey | None) -> str:
        """See Publisher. The tag of the night that sent it is asked for, too: the record and its page name that."""
        names = (latest, parse_reference(kept.reference))
        with Registry(latest.host, self.destination.access) as registry:
            return lacks(registry, names, kept.digest, key, with_papers=not kept.warnings)
