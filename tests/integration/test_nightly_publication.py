"""What a night publishes, to Debian's docker-registry: it is asked what it has, and signed by the key of today."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.fake_executor import FakeExecutor, FakeLooker
from support.registry import access, real_registry
from support.registry_images import made_up_image, signing_key

from labwright.host.paths import Paths
from labwright.nightly import record
from labwright.nightly.executor import JobResult
from labwright.nightly.images import Candidate
from labwright.nightly.model import Night, Published
from labwright.nightly.night import Book, Rules, run_night
from labwright.nightly.places import Places
from labwright.nightly.publication import Destination, RegistryPublisher, publish_night, tag_of
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager
from labwright.publish.verify import verify_published
from labwright.registry.reference import parse_reference
from labwright.trust.keys import load_public_key

ONE = [Candidate("leaf", Path("/images/leaf"))]


class MadeUpExecutor(FakeExecutor):
    """A fake one that delivers a disk in which nothing boots."""

    def wait(self, seconds: float) -> tuple[JobResult, ...]:
        ended = super().wait(seconds)
        for result in ended:
            made_up_image(result.job.output)
        return ended


def night(root: Path, destination: Destination, revision: str, cache: Path) -> tuple[Night, Published]:
    book = Book(Places(root), record.begin(Places(root), ONE, revision))
    run_night(book, ONE, MadeUpExecutor(), FakeLooker(frozenset({"leaf"})), Rules(pauses=()))
    publisher = RegistryPublisher(Workshop(Paths(cache), hook_manager()[0]), destination, book.night.revision)
    publish_night(book, destination, publisher, 0)
    book.save(finished=True)
    (image,) = book.night.images
    assert image.publish_failures == ()
    (published,) = image.published
    return book.night, published


def test_a_registry_gets_what_it_lost_and_a_key_that_came_later_signs_what_is_there(tmp_path):
    root, cache = tmp_path / "nights", tmp_path / "cache"
    with real_registry(tmp_path / "registry") as server:
        plain = Destination(f"{server.host}/school", ("artifact",), access=access())
        first, sent = night(root, plain, "one", cache)
        assert sent.uploaded == sent.total
        _, kept = night(root, plain, "two", cache)
        assert (kept.uploaded, kept.reference) == (0, sent.reference)

        server.stop()
        shutil.rmtree(server.data)
        server.start()
        _, again = night(root, plain, "one", cache)
        assert again.uploaded == again.total

        key, public = signing_key(tmp_path)
        signing = Destination(plain.prefix, plain.kinds, key, access())
        last, signed = night(root, signing, "one", cache)
        assert (signed.signed, signed.digest) == (True, again.digest)
        assert signed.uploaded == 0, "its blobs were there"
        latest = parse_reference(f"{server.host}/school/leaf:latest")
        findings = verify_published(latest, load_public_key(public), False, access(), print)
        assert [one for one in findings if not one.holds] == []
        _, kept = night(root, signing, "two", cache)
        assert kept.reference == signed.reference
        assert tag_of(first) != tag_of(last)
