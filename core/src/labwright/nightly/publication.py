"""The images of a night to a registry: what is new there, and a finding of the night where that fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol

from labwright.errors import Cause, LabwrightError, os_error
from labwright.hooks import Event
from labwright.nightly import record
from labwright.nightly.failures import failure_of
from labwright.nightly.model import KEPT_STATES, Failure, ImageNight, Night, Published
from labwright.nightly.night import Book
from labwright.nightly.retries import PAUSES, Tried, again
from labwright.pipeline.runner import scratch_folder
from labwright.pipeline.workshop import Workshop
from labwright.publish.delivered import read_delivered
from labwright.publish.kinds import kind_named
from labwright.publish.labels import Origin
from labwright.publish.publish import PublishOptions, publish
from labwright.registry.reference import Reference, parse_reference
from labwright.registry.transport import Access
from labwright.trust.keys import load_private_key

LATEST = "latest"


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
        if self.key:
            load_private_key(self.key, "--key", nights)
        for kind in self.kinds:
            kind_named(kind)
            self.place("image", kind, LATEST)


class Publisher(Protocol):
    """Brings one image to its reference, replacing what is there where `force` is set. Raises LabwrightError."""

    def __call__(self, image: Path, place: Reference, kind: str, force: bool) -> Published:
        """Do it."""


def tag_of(night: Night) -> str:
    """The tag of what a night made: its date (UTC), for people, and its number, since clocks jump."""
    return f"{time.strftime('%Y-%m-%d', time.gmtime(night.started))}-{night.name}"


def publish_night(
    book: Book, destination: Destination, publisher: Publisher, retries: int,
    pauses: tuple[float, ...] = PAUSES, sleep: Callable[[float], None] = time.sleep,
) -> None:  # fmt: skip
    """Publish each image in service of which the registry does not have this version yet.

    What an earlier night published is not looked at again. A failure is written down with its image, and the rest goes
    on. Raises OSError where the record cannot be written.
    """
    before = record.last(book.places, before=book.night.number)
    for image in book.night.images:
        if image.state not in KEPT_STATES or image.delivered is None:
            continue
        known = {one.reference: one for one in (*image.published, *_published_before(image, before))}
        done: list[Published] = []
        failed: list[Failure] = []
        for kind in destination.kinds:
            place = destination.place(image.slug, kind, LATEST)
            kept = next((one for one in known.values() if _same_place(one, place, kind)), None)
            if kept is not None:
                done.append(kept)
                continue
            try:
                done.append(_patiently(book, image, destination, publisher, kind, retries, pauses, sleep))
            except LabwrightError as error:
                failed.append(failure_of(error))
                if error.cause is Cause.NETWORK:
                    # A registry that was waited for once is not waited for again with each image.
                    retries = 0
        if (tuple(done), tuple(failed)) != (image.published, image.publish_failures):
            book.put(replace(book.image(image.slug), published=tuple(done), publish_failures=tuple(failed)))


def _published_before(image: ImageNight, before: Night | None) -> tuple[Published, ...]:
    """What the night before says of this very version; nothing was sent for it in this night."""
    images = before.images if before else ()
    old = next((one for one in images if one.slug == image.slug), None)
    if old is None or old.delivered is None or image.delivered is None:
        return ()
    same = old.delivered.sha256 == image.delivered.sha256
    return tuple(replace(one, uploaded=0) for one in old.published) if same else ()


def _same_place(one: Published, place: Reference, kind: str) -> bool:
    """Whether that is the repository of this place, in this kind."""
    return one.kind == kind and one.reference.partition("@")[0].rpartition(":")[0] == f"{place.host}/{place.repository}"


def _patiently(
    book: Book, image: ImageNight, destination: Destination, publisher: Publisher, kind: str, retries: int,
    pauses: tuple[float, ...], sleep: Callable[[float], None],
) -> Published:  # fmt: skip
    tried = Tried()
    while True:
        try:
            return _both_tags(book, image, destination, publisher, kind)
        except LabwrightError as error:
            retry = again(error.cause.value, tried, retries, pauses)
            if retry is None:
                raise
            text = f"publishing it failed: {error.what}; tried again in {retry.pause:.0f} s"
            book.listener.event(Event("warning", image.slug, text=text))
            tried = retry.tried
            sleep(retry.pause)


def _both_tags(
    book: Book, image: ImageNight, destination: Destination, publisher: Publisher, kind: str
) -> Published:  # fmt: skip
    """The night's own tag, which nothing replaces; then the one that moves."""
    assert image.delivered is not None
    disk = book.places.root / image.delivered.folder / f"{image.slug}.qcow2"
    published = publisher(disk, destination.place(image.slug, kind, tag_of(book.night)), kind, force=False)
    publisher(disk, destination.place(image.slug, kind, LATEST), kind, force=True)
    return published


def publisher_of(workshop: Workshop, destination: Destination, revision: str) -> Publisher:
    """Brings images to a real registry."""

    def to_registry(image: Path, place: Reference, kind: str, force: bool) -> Published:
        def say(text: str) -> None:
            workshop.emit(Event("progress", image.stem, "publish", text))

        options = PublishOptions(destination.access, force, origin=Origin(revision), key=destination.key)
        try:
            with scratch_folder(workshop.paths, workshop.ledger) as scratch:
                bench = workshop.runner(image.stem).workbench(scratch, say, scratch / "log")
                done = publish(read_delivered(image), place, kind_named(kind), options, bench)
        except OSError as error:
            raise os_error(error, f"{image.stem} cannot be published") from error
        return Published(**asdict(done))

    return to_registry
