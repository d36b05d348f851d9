"""What a night publishes: what is new, once, whatever fails beside it. The registry is a fake one here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.fake_executor import ContentLooker, FakeExecutor, failed

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.nightly import record
from labwright.nightly.images import Candidate
from labwright.nightly.model import Night, Published
from labwright.nightly.night import Book, Listener, Rules, run_night
from labwright.nightly.places import Places
from labwright.nightly.publication import Destination, publish_night, tag_of
from labwright.registry.reference import Reference

TWO = [Candidate("frr", Path("/images/frr")), Candidate("tools", Path("/images/tools"))]
WHERE = Destination("registry.example/labs", ("artifact", "containerdisk"))


@dataclass
class FakePublisher:
    """faults: raised in turn for an image, instead of its publication."""

    faults: dict[str, list[LabwrightError]] = field(default_factory=dict)
    sent: list[tuple[str, bool]] = field(default_factory=list)

    def __call__(self, image: Path, place: Reference, kind: str, force: bool) -> Published:
        if self.faults.get(image.stem):
            raise self.faults[image.stem].pop(0)
        assert image.is_file()
        self.sent.append((str(place), force))
        return Published(kind, str(place), "sha256:" + "0" * 64, 7, 7)


def night(root: Path, publisher: FakePublisher, content=None, fates=None, where=WHERE, **more) -> Night:
    places = Places(root)
    book = Book(places, record.begin(places, TWO), **more)
    executor = FakeExecutor(content=content or {}, fates=fates or {})
    run_night(book, TWO, executor, ContentLooker(content or {}), Rules(pauses=()))
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
    first = night(tmp_path, FakePublisher())
    publisher = FakePublisher()
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
    night(tmp_path, FakePublisher())
    publisher = FakePublisher()
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
