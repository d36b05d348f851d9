"""What a night publishes: what is new, once, whatever fails beside it. The registry is a fake one here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest
from support.fake_executor import ContentLooker, FakeExecutor, failed
from support.registry_images import signing_key

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.nightly import record
from labwright.nightly.images import Candidate
from labwright.nightly.model import Night, Published
from labwright.nightly.night import Book, Listener, Rules, run_night
from labwright.nightly.places import Places
from labwright.nightly.publication import Destination, publish_night, tag_of
from labwright.publish.publish import Published as RegistryPublished
from labwright.registry.reference import Reference
from labwright.trust.keys import PublicKey

TWO = [Candidate("frr", Path("/images/frr")), Candidate("tools", Path("/images/tools"))]
WHERE = Destination("registry.example/labs", ("artifact", "containerdisk"))


@dataclass
class FakePublisher:
    """faults: raised in turn for an image, instead of its publication. there: digests by tag, kept between nights.

    unheard: raised in turn when it is asked what is there. lost: what it lacks of an image, by slug.
    """

    faults: dict[str, list[Exception]] = field(default_factory=dict)
    sent: list[tuple[str, bool]] = field(default_factory=list)
    there: dict[str, str] = field(default_factory=dict)
    unheard: list[LabwrightError] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    key: str = ""

    def __call__(self, image: Path, place: Reference, kind: str, force: bool) -> Published:
        if self.faults.get(image.stem):
            raise self.faults[image.stem].pop(0)
        assert image.is_file()
        self.sent.append((str(place), force))
        digest = self.there[str(place)] = "sha256:" + hashlib.sha256(image.read_bytes()).hexdigest()
        return Published(kind, str(place), digest, 7, 7, bool(self.key))

    def lacks(self, latest: Reference, kept: Published, key: PublicKey | None) -> str:
        if self.unheard:
            raise self.unheard.pop(0)
        assert bool(key) == bool(self.key)
        same = self.there.get(str(latest)) == kept.digest
        return self.lost.pop(latest.repository.rpartition("/")[2], "") if same else f"{latest} is not there"


def night(
    root: Path, publisher: FakePublisher | None, content=None, fates=None, where=WHERE, images=TWO, **more
) -> Night:  # fmt: skip
    """publisher: None for a night without --publish."""
    places = Places(root)
    book = Book(places, record.begin(places, images), **more)
    executor = FakeExecutor(content=content or {}, fates=fates or {})
    run_night(book, images, executor, ContentLooker(content or {}), Rules(pauses=()))
    if publisher:
        publisher.key = where.key
        publish_night(book, where, publisher, 2, (), lambda _: None)
    book.save(finished=True)
    return book.night


def test_each_image_gets_a_tag_that_stays_and_one_that_moves_in_every_kind(tmp_path):
    publisher = FakePublisher()
    done = night(tmp_path, publisher)
    tag = tag_of(done)
    assert tag.endswith("-0001")
    assert [place for place, _ in publisher.sent[:2]] == [
        f"registry.example/labs/frr:{tag}", "registry.example/labs/frr:latest"]  # fmt: skip
    assert len({place for place, _ in publisher.sent}) == 8, "no two kinds share a tag"
    assert all(force == ("latest" in place) for place, force in publisher.sent)
    assert [one.kind for one in done.images[0].published] == ["artifact", "containerdisk"]


def test_what_is_there_already_is_not_sent_again_and_what_is_new_is(tmp_path):
    publisher = FakePublisher()
    first = night(tmp_path, publisher)
    publisher.sent.clear()
    second = night(tmp_path, publisher)
    assert publisher.sent == []
    assert [one.reference for one in second.images[0].published] == [
        one.reference for one in first.images[0].published]  # fmt: skip
    assert [one.uploaded for one in second.images[0].published] == [0, 0]
    third = night(tmp_path, publisher, {"frr": "2"})
    assert {place.rpartition("/")[2].partition(":")[0] for place, _ in publisher.sent} == {"frr"}
    assert tag_of(third) in third.images[0].published[0].reference


def test_an_unchanged_image_that_another_registry_does_not_have_goes_there(tmp_path):
    night(tmp_path, FakePublisher())
    publisher = FakePublisher()
    night(tmp_path, publisher, where=Destination("other.example/labs", ("artifact",)))
    assert len(publisher.sent) == 4


@pytest.mark.parametrize("between", ["without --publish", "of other images", "elsewhere", "that failed"])
def test_a_night_between_does_not_make_the_next_one_send_everything_again(tmp_path, between):
    publisher = FakePublisher()
    first = night(tmp_path, publisher)
    if between == "elsewhere":
        night(tmp_path, FakePublisher(), where=Destination("other.example/labs", WHERE.kinds))
    elif between == "that failed":
        night(tmp_path, publisher, {"frr": "2"}, {"frr": [failed("guest")]})
    else:
        images = TWO[1:] if between == "of other images" else TWO
        night(tmp_path, publisher if images != TWO else None, images=images)
    publisher.sent.clear()
    third = night(tmp_path, publisher)
    assert publisher.sent == []
    assert [one.reference for one in third.images[0].published] == [
        one.reference for one in first.images[0].published]  # fmt: skip


def test_an_image_that_is_again_what_it_was_before_is_sent_though_an_older_night_published_it(tmp_path):
    publisher = FakePublisher()
    night(tmp_path, publisher, {"frr": "1"})
    night(tmp_path, publisher, {"frr": "2"})
    publisher.sent.clear()
    night(tmp_path, publisher, {"frr": "1"})
    assert ("registry.example/labs/frr:latest", True) in publisher.sent


def test_a_key_that_comes_later_or_is_another_signs_what_is_published_already_once(tmp_path):
    publisher, root = FakePublisher(), tmp_path / "nights"
    night(root, publisher)
    for name in ("first", "second"):
        key, _ = signing_key(tmp_path, name)
        where = Destination(WHERE.prefix, WHERE.kinds, key)
        publisher.sent.clear()
        done = night(root, publisher, where=where)
        assert len(publisher.sent) == 8
        assert {one.signer for image in done.images for one in image.published} == {where.signer(root)}
        publisher.sent.clear()
        night(root, publisher, where=where)
        assert publisher.sent == []
    night(root, publisher)
    assert publisher.sent == [], "a night without a key takes no signature away"


def test_a_registry_that_lost_what_it_had_or_shows_another_gets_it_again(tmp_path):
    publisher = FakePublisher()
    night(tmp_path, publisher)
    del publisher.there["registry.example/labs/frr:latest"]
    publisher.there["registry.example/labs/tools:latest"] = "sha256:" + "0" * 64
    publisher.sent.clear()
    done = night(tmp_path, publisher)
    assert [place for place, _ in publisher.sent] == [
        f"registry.example/labs/{slug}:{tag}" for slug in ("frr", "tools") for tag in (tag_of(done), "latest")
    ]  # fmt: skip


def test_an_image_of_which_a_registry_lost_a_part_goes_there_again_and_the_night_says_why(tmp_path):
    publisher, told = FakePublisher(), []
    night(tmp_path, publisher)
    publisher.sent.clear()
    publisher.lost = {"tools": "no signed provenance of it"}
    where = Destination(WHERE.prefix, ("artifact",))
    done = night(tmp_path, publisher, where=where, listener=Listener(told.append))
    assert [place for place, _ in publisher.sent] == [
        f"registry.example/labs/tools:{tag}" for tag in (tag_of(done), "latest")]  # fmt: skip
    assert tag_of(done) in done.images[1].published[0].reference
    assert [(one.image, one.text) for one in told if one.kind == "warning"] == [
        ("tools", "published again, as artifact: no signed provenance of it")]  # fmt: skip


def test_a_bug_with_one_image_is_a_finding_of_it_and_the_others_are_published(tmp_path):
    publisher = FakePublisher({"frr": [ValueError("Invalid\nIPv6 URL")]})
    done = night(tmp_path, publisher, where=Destination(WHERE.prefix, ("artifact",)))
    (failure,) = done.images[0].publish_failures
    assert (failure.what, failure.cause) == ("publishing it failed: ValueError: Invalid IPv6 URL", "internal")
    assert len(done.images[1].published) == 1
    assert done.finished


def test_a_registry_that_does_not_say_what_it_has_is_a_finding_and_is_forgotten_by_the_next_night(tmp_path):
    publisher = FakePublisher()
    night(tmp_path, publisher)
    publisher.sent.clear()
    publisher.unheard = [LabwrightError("it is down", cause=Cause.NETWORK) for _ in range(6)]
    done = night(tmp_path, publisher)
    assert publisher.unheard == [], "three times for the first, then once for each of the rest"
    assert [len(image.publish_failures) for image in done.images] == [2, 2]
    assert night(tmp_path, publisher).failed == ()
    assert publisher.sent == []


def test_a_registry_that_refuses_is_a_finding_and_the_others_are_published(tmp_path):
    refused = LabwrightError("it is marked public and holds 1 private file(s)", cause=Cause.CONFIG, hint="take it out")
    publisher = FakePublisher({"frr": [refused, refused]})
    done = night(tmp_path, publisher)
    assert [image.slug for image in done.failed] == ["frr"]
    assert done.images[0].state == "built"
    assert [one.hint for one in done.images[0].publish_failures] == ["take it out"] * 2
    assert len(done.images[1].published) == 2
    again = night(tmp_path, FakePublisher())
    assert len(again.images[0].published) == 2, "the next night tries again, though nothing is built"
    assert again.failed == ()


@pytest.mark.parametrize(("cause", "tries"), [(Cause.NETWORK, 3), (Cause.SIGNATURE, 1), (Cause.CONFIG, 1)])
def test_a_network_gets_further_tries_and_nothing_else_does(tmp_path, cause, tries):
    faults = [LabwrightError("it failed", cause=cause) for _ in range(9)]
    told: list[Event] = []
    where = Destination("registry.example/labs", ("artifact",))
    done = night(tmp_path, FakePublisher({"frr": faults}), where=where, listener=Listener(told.append))
    assert len(faults) == 9 - tries
    assert len([event for event in told if event.kind == "warning"]) == tries - 1
    assert len(done.images[0].publish_failures) == 1


def test_what_failed_to_build_is_not_published_though_an_older_one_is_in_service(tmp_path):
    publisher = FakePublisher()
    night(tmp_path, publisher)
    publisher.sent.clear()
    done = night(tmp_path, publisher, {"frr": "2"}, {"frr": [failed("guest")]})
    assert publisher.sent == []
    assert done.images[0].published == ()


def test_a_wrong_prefix_kind_or_key_is_known_before_a_night_is_spent(tmp_path):
    wrong = (
        Destination("https://x.example/labs", ("artifact",)),
        Destination("x.example/labs", ("zip",)),
        Destination("", ("artifact",)),
        Destination("x.example/labs", ("artifact",), key=f"file:{tmp_path}/nobody-s.pem"),
        Destination("x.example/labs", ("artifact",), key="env:LABWRIGHT_NO_SUCH_KEY"),
    )
    for one in wrong:
        with pytest.raises(LabwrightError) as caught:
            one.check(tmp_path / "nights")
        assert caught.value.cause == Cause.CONFIG
    Destination("x.example/labs", ("artifact", "containerdisk")).check(tmp_path)


def test_a_registry_that_was_waited_for_once_is_not_waited_for_with_each_image(tmp_path):
    faults = {slug: [LabwrightError("it is down", cause=Cause.NETWORK) for _ in range(9)] for slug in ("frr", "tools")}
    done = night(tmp_path, FakePublisher(faults))
    assert [len(left) for left in faults.values()] == [9 - 3 - 1, 9 - 2], "three tries, then one for each of the rest"
    assert [len(image.publish_failures) for image in done.images] == [2, 2]


def test_all_that_a_publication_says_is_in_the_record_of_the_night():
    names = {one.name for one in fields(RegistryPublished)}
    assert names <= {one.name for one in fields(Published)}
