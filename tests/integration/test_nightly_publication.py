"""What a night publishes, to Debian's docker-registry: it is asked what it has, and signed by the key of today."""

from __future__ import annotations

import json
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
from labwright.publish.verify import holds, verify_published
from labwright.registry.client import Registry
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
    return book.night, image.published[0]


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


def test_signature_statements_and_blobs_that_a_registry_lost_are_there_again_after_the_next_night(tmp_path):
    root, cache = tmp_path / "nights", tmp_path / "cache"
    key, public = signing_key(tmp_path)
    with real_registry(tmp_path / "registry") as server:
        destination = Destination(f"{server.host}/school", ("artifact", "containerdisk"), key, access())
        latest = parse_reference(f"{server.host}/school/leaf:latest")
        _, sent = night(root, destination, "one", cache)

        repository = server.data / "docker/registry/v2/repositories/school/leaf"
        for place in (repository / "_manifests/tags").glob("sha256-*"):
            shutil.rmtree(place)
        disk = json.loads(server.raw(f"school/leaf/manifests/{sent.digest}"))["layers"][0]
        shutil.rmtree(repository / "_layers/sha256" / disk["digest"].removeprefix("sha256:"))
        assert not holds(verify_published(latest, load_public_key(public), False, access(), print))

        last, again = night(root, destination, "one", cache)
        assert holds(verify_published(latest, load_public_key(public), True, access(), print))
        assert (again.digest, again.uploaded) == (sent.digest, disk["size"])
        assert again.reference == f"{server.host}/school/leaf:{tag_of(last)}", "that it went there is of this night"
        assert again.signed

        _, kept = night(root, destination, "one", cache)
        assert (kept.reference, kept.uploaded) == (again.reference, 0)


def test_a_tag_of_a_night_that_a_registry_took_away_is_not_what_the_next_record_names(tmp_path):
    root, cache = tmp_path / "nights", tmp_path / "cache"
    with real_registry(tmp_path / "registry") as server:
        destination = Destination(f"{server.host}/school", ("artifact",), access=access())
        first, sent = night(root, destination, "one", cache)
        shutil.rmtree(server.data / "docker/registry/v2/repositories/school/leaf/_manifests/tags" / tag_of(first))
        _, again = night(root, destination, "one", cache)
        assert (again.digest, again.uploaded) == (sent.digest, 0)
        with Registry(server.host, access()) as registry:
            assert registry.digest(parse_reference(again.reference)) == again.digest
