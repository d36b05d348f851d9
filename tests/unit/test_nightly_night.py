"""How a night goes: each image once, what others start from first, a failure for what needs it and nobody else."""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_executor import ContentLooker, FakeExecutor, FakeLook, FakeLooker, failed

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.nightly import record
from labwright.nightly.executor import JobResult
from labwright.nightly.graph import with_dependents
from labwright.nightly.images import Candidate
from labwright.nightly.model import Night, StepTime
from labwright.nightly.night import Book, Listener, Rules, run_night
from labwright.nightly.places import Places
from labwright.nightly.service import in_service

QUICK = Rules(pauses=())
SLUGS = [f"i{number}" for number in range(6)]
Needs = dict[str, tuple[str, ...]]
CHAIN: Needs = {"base": (), "middle": ("base",), "top": ("middle",), "other": ()}


def candidates(needs: Needs) -> list[Candidate]:
    return [Candidate(slug, Path("/images") / slug, needs=bases) for slug, bases in needs.items()]


def night(root: Path, needs: Needs, executor: FakeExecutor, looker=None, rules: Rules = QUICK, **more) -> Night:
    """A whole night, and the next one where there was one before."""
    places = Places(root)
    book = Book(places, record.begin(places, candidates(needs)), **more)
    run_night(book, candidates(needs), executor, looker or FakeLooker(), rules)
    book.save(finished=True)
    assert record.last(places) == book.night, "what is on the disk is what was done"
    return book.night


def states(night: Night) -> dict[str, str]:
    return {image.slug: image.state for image in night.images}


@st.composite
def nights(draw) -> tuple[Needs, set[str], int, int]:
    needs = {
        slug: (draw(st.sampled_from(SLUGS[:index])),) if index and draw(st.booleans()) else ()
        for index, slug in enumerate(SLUGS)
    }
    return needs, draw(st.sets(st.sampled_from(SLUGS))), draw(st.integers(1, 3)), draw(st.integers(0, 99))


@given(nights())
@settings(max_examples=25)
def test_each_image_is_built_once_after_its_base_and_a_failure_stops_just_what_needs_it(drawn):
    needs, broken, room, seed = drawn
    executor = FakeExecutor(room, {slug: [failed("guest")] for slug in broken}, chance=random.Random(seed))
    with tempfile.TemporaryDirectory() as name:
        done = night(Path(name), needs, executor)
        served = {slug: in_service(Places(Path(name)), slug) is not None for slug in SLUGS}
    hopeless = with_dependents(needs, broken)
    order = executor.order()
    assert len(order) == len(set(order))
    for slug, state in states(done).items():
        stopped = with_dependents(needs, broken & set(SLUGS)) - broken
        below = [base for base in needs[slug] if base in hopeless]
        assert state == ("skipped" if below else "failed" if slug in broken else "built")
        assert (slug in order) == (state != "skipped")
        assert served[slug] == (state == "built")
        assert state != "skipped" or slug in stopped | broken
    for index, job in enumerate(executor.started):
        assert all(base in order[:index] for base in needs[job.slug])
        assert (job.base is not None) == bool(needs[job.slug])
    assert max(map(len, executor.beside), default=0) <= room


def test_the_way_that_takes_longest_is_begun_first(tmp_path):
    needs: Needs = {"alone": (), "base": (), "top": ("base",), "short": ()}
    executor, looker = FakeExecutor(), FakeLooker(seconds={"alone": 90, "base": 10, "short": 5})
    places = Places(tmp_path)
    book = Book(places, record.begin(places, candidates(needs)))
    run_night(book, candidates(needs), executor, looker, QUICK, {"top": 100.0})
    assert executor.order() == ["base", "alone", "top", "short"]


def test_nothing_is_built_where_nothing_changed(tmp_path):
    night(tmp_path, CHAIN, FakeExecutor(), ContentLooker())
    executor = FakeExecutor()
    second = night(tmp_path, CHAIN, executor, ContentLooker())
    assert set(states(second).values()) == {"unchanged"}
    assert executor.started == []
    assert {image.delivered.since for image in second.images} == {1}
    for image in second.images:
        assert (Places(tmp_path).night(second) / image.delivered.report).is_file(), "each night can be read by itself"


def test_a_base_that_changed_takes_along_what_starts_from_it_and_nothing_else(tmp_path):
    night(tmp_path, CHAIN, FakeExecutor(), ContentLooker())
    content = {"middle": "2"}
    second = night(tmp_path, CHAIN, FakeExecutor(content=content), ContentLooker(content))
    assert states(second) == {"base": "unchanged", "middle": "built", "top": "built", "other": "unchanged"}


def test_a_base_that_is_built_anew_and_comes_out_the_same_changes_nothing_above(tmp_path):
    night(tmp_path, CHAIN, FakeExecutor(), ContentLooker())
    looker = ContentLooker()

    def always(one, base, delivered):
        return FakeLooker()(one, base, delivered) if one.slug == "base" else looker(one, base, delivered)

    second = night(tmp_path, CHAIN, FakeExecutor(), always)
    assert states(second) == {"base": "built", "middle": "unchanged", "top": "unchanged", "other": "unchanged"}


def test_a_failure_leaves_the_version_in_service_alone_and_says_so(tmp_path):
    night(tmp_path, CHAIN, FakeExecutor())
    before = in_service(Places(tmp_path), "base")
    second = night(tmp_path, CHAIN, FakeExecutor(fates={"base": [failed("guest")]}))
    assert states(second) == {"base": "failed", "middle": "skipped", "top": "skipped", "other": "built"}
    assert in_service(Places(tmp_path), "base") == before
    images = {image.slug: image for image in second.images}
    assert images["base"].delivered.since == 1
    assert "base, which failed; the base of night 1 stays in service" in images["middle"].why
    assert "middle, which was skipped" in images["top"].why
    assert list(Places(tmp_path).versions("base").glob(".*")) == []


@pytest.mark.parametrize("cause", ["config", "guest", "signature", "disk full", "plugin", "host", "internal", "review"])
def test_what_is_as_wrong_a_minute_later_is_not_tried_again(tmp_path, cause):
    executor = FakeExecutor(fates={"other": [failed(cause), None]})
    assert states(night(tmp_path, CHAIN, executor))["other"] == "failed"
    assert executor.order().count("other") == 1


@pytest.mark.parametrize(("cause", "tries"), [("network", 4), ("memory", 2), ("interrupted", 2)])
def test_what_may_pass_is_tried_again_as_often_as_is_said(tmp_path, cause, tries):
    executor = FakeExecutor(fates={"other": [failed(cause)]})
    done = night(tmp_path, CHAIN, executor)
    assert states(done)["other"] == "failed"
    assert executor.order().count("other") == tries
    (image,) = (image for image in done.images if image.slug == "other")
    assert image.attempts == tries
    assert image.seconds == tries
    none = FakeExecutor(fates={"other": [failed(cause)]})
    night(tmp_path, CHAIN, none, rules=Rules(retries=0, pauses=()))
    assert none.order().count("other") == 1


def test_a_build_that_the_second_try_makes_is_no_failure(tmp_path):
    done = night(tmp_path, CHAIN, FakeExecutor(fates={"base": [failed("network"), None]}))
    assert set(states(done).values()) == {"built"}
    assert all(image.failure is None for image in done.images)


def test_for_want_of_memory_a_build_is_tried_with_nothing_beside_it(tmp_path):
    needs: Needs = dict.fromkeys(SLUGS, ())
    fates = {"i0": [failed("memory"), None]}
    executor = FakeExecutor(room=3, fates=fates)
    assert set(states(night(tmp_path, needs, executor)).values()) == {"built"}
    (again,) = [index for index, job in enumerate(executor.started) if job.slug == "i0"][1:]
    assert executor.beside[again] == ("i0",)
    assert all("i0" not in beside for beside in executor.beside[again + 1 :])


def test_others_go_on_while_one_waits_for_its_network(tmp_path):
    fates = {"i0": [failed("network"), None]}
    executor = FakeExecutor(fates=fates)
    done = night(tmp_path, dict.fromkeys(SLUGS, ()), executor, rules=Rules(pauses=(3.0,)))
    assert set(states(done).values()) == {"built"}
    assert executor.order()[-1] == "i0"


def test_a_mirror_that_does_not_answer_is_asked_again_and_a_wrong_description_is_not(tmp_path):
    network = LabwrightError("no answer", cause=Cause.NETWORK)
    config = LabwrightError("no such release", cause=Cause.CONFIG, hint="mend it")
    looker = FakeLooker(faults={"base": [network, network], "other": [config]})
    done = night(tmp_path, CHAIN, FakeExecutor(), looker)
    assert states(done) == {"base": "built", "middle": "built", "top": "built", "other": "failed"}
    assert looker.asked.count("base") == 3
    assert done.failed[0].failure.hint == "mend it"
    assert done.failed[0].attempts == 0, "nothing was built"


def test_a_build_that_says_it_is_done_and_left_nothing_is_a_failure(tmp_path):
    executor = FakeExecutor()
    executor.wait = lambda _: tuple(JobResult(executor.running.pop(), None) for _ in executor.running[:1])
    done = night(tmp_path, {"base": ()}, executor)
    assert states(done) == {"base": "failed"}
    assert "left no image" in done.images[0].failure.what
    assert in_service(Places(tmp_path), "base") is None


def test_the_log_of_a_failure_is_kept_with_the_night(tmp_path):
    log = tmp_path / "tool.log"
    log.write_text("boom\n")
    executor = FakeExecutor(fates={"other": [failed("guest")]}, logs={"other": log})
    root = tmp_path / "nights"
    done = night(root, CHAIN, executor)
    failure = done.failed[0].failure
    assert failure.log == "logs/other.txt"
    assert (Places(root).night(done) / failure.log).read_text() == "boom\n"


def test_what_cannot_be_read_fails_before_anything_is_built(tmp_path):
    places, needs = Places(tmp_path), dict(CHAIN)
    wrong = [Candidate("base", Path("/images/base"), failure=failed("config")), *candidates(needs)[1:]]
    book = Book(places, record.begin(places, wrong))
    executor = FakeExecutor()
    run_night(book, wrong, executor, FakeLooker(), QUICK)
    assert states(book.night) == {"base": "failed", "middle": "skipped", "top": "skipped", "other": "built"}
    assert executor.order() == ["other"]


def test_events_and_changes_are_told_in_their_order_and_the_record_is_never_behind(tmp_path):
    told: list[str] = []

    def changed(_, image):
        on_disk = {one["slug"]: one["state"] for one in json.loads((tmp_path / "nights/0001/night.json").read_text())[
            "images"]}  # fmt: skip
        assert on_disk[image.slug] == image.state
        told.append(f"{image.slug} {image.state}")

    def event(said: Event) -> None:
        told.append(f"{said.image} {said.kind}")

    night(tmp_path, {"base": ()}, FakeExecutor(), listener=Listener(event, changed))
    assert told == ["base waiting", "base building", "base build-started", "base built"]


def test_half_characters_in_texts_from_outside_end_no_night(tmp_path):
    class Odd(FakeExecutor):
        def wait(self, seconds: float) -> tuple[JobResult, ...]:
            steps = (StepTime("tree\ud800", "\udfff", 1.0, "ran"),)
            return tuple(replace(one, steps=steps, worker="\udc80") for one in super().wait(seconds))

    places, wanted = Places(tmp_path), candidates({"a": ()})
    book = Book(places, record.begin(places, wanted, "\udcff"))
    run_night(book, wanted, Odd(), lambda *_: FakeLook("changed \udcff"), QUICK)
    assert record.last(places) == book.night
    (image,) = book.night.images
    assert (image.state, image.worker, image.why) == ("built", "?", "changed ?")


def test_an_interruption_ends_the_builds_and_leaves_a_night_that_goes_on(tmp_path):
    def interrupt(job) -> None:
        if job.slug == "middle":
            raise KeyboardInterrupt

    first = FakeExecutor(on_start=interrupt)
    with pytest.raises(KeyboardInterrupt):
        night(tmp_path, {"base": (), "middle": ("base",)}, first)
    assert first.ended
    unfinished = record.last(Places(tmp_path))
    assert (states(unfinished), unfinished.finished) == ({"base": "built", "middle": "waiting"}, False)
    second = FakeExecutor()
    done = night(tmp_path, {"base": (), "middle": ("base",)}, second)
    assert (done.number, done.resumed, done.finished) == (1, 1, True)
    assert second.order() == ["middle"], "what is done stays done"
    assert done.seconds >= unfinished.seconds


class PowerCutError(BaseException):
    """Nothing of labwright's runs after it."""


def test_a_build_that_brings_the_machine_down_is_given_up_in_the_end(tmp_path):
    def crash(job) -> None:
        if job.slug == "other":
            raise PowerCutError

    for _ in range(3):
        with pytest.raises(PowerCutError):
            night(tmp_path, CHAIN, FakeExecutor(on_start=crash))
    done = night(tmp_path, CHAIN, FakeExecutor(on_start=crash))
    assert states(done) == {"base": "built", "middle": "built", "top": "built", "other": "failed"}
    assert "killed 3 times" in done.failed[0].failure.what
    fresh = FakeExecutor()
    night(tmp_path, CHAIN, fresh)
    assert "other" in fresh.order(), "the next night tries again"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "no space"), LabwrightError("x", cause=Cause.HOST)])
def test_an_end_in_order_is_no_crash_of_what_was_being_built_however_often_it_happens(tmp_path, stop):
    class Stopped(FakeExecutor):
        def wait(self, seconds: float) -> tuple[JobResult, ...]:
            raise stop

    for _ in range(4):
        with pytest.raises(BaseException) as caught:
            night(tmp_path, {"a": ()}, Stopped())
        assert type(caught.value) is (stop if isinstance(stop, type) else type(stop))
    assert states(night(tmp_path, {"a": ()}, FakeExecutor())) == {"a": "built"}


def test_tries_for_a_network_are_not_counted_as_crashes_when_the_night_dies_once(tmp_path):
    def die(job) -> None:
        if len([one for one in executor.started if one.slug == job.slug]) == 2:
            raise PowerCutError

    executor = FakeExecutor(fates={"a": [failed("network")]}, on_start=die)
    with pytest.raises(PowerCutError):
        night(tmp_path, {"a": ()}, executor)
    (image,) = record.last(Places(tmp_path)).images
    assert image.attempts == 3
    done = night(tmp_path, {"a": ()}, FakeExecutor())
    assert (states(done), done.images[0].crashes) == ({"a": "built"}, 1)


def test_images_that_come_and_go_while_a_night_is_down_come_and_go_in_it(tmp_path):
    def stop(job) -> None:
        if job.slug == "b":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        night(tmp_path, {"a": (), "b": (), "gone": ()}, FakeExecutor(on_start=stop))
    done = night(tmp_path, {"a": (), "b": (), "new": ()}, FakeExecutor())
    assert states(done) == {"a": "built", "b": "built", "new": "built", "gone": "skipped"}


def test_a_night_that_is_resumed_with_other_images_keeps_what_is_known_of_the_rest(tmp_path):
    def stop(job) -> None:
        if job.slug == "c":
            raise KeyboardInterrupt

    three: Needs = {"a": (), "b": (), "c": ()}
    night(tmp_path, {"b": ()}, FakeExecutor())
    with pytest.raises(KeyboardInterrupt):
        night(tmp_path, three, FakeExecutor(fates={"b": [failed("guest")]}, on_start=stop))
    done = night(tmp_path, {"a": ()}, FakeExecutor())
    assert (done.number, states(done)) == (2, {"a": "built", "b": "failed", "c": "skipped"})
    images = {image.slug: image for image in done.images}
    assert images["c"].why == "not asked for when it was resumed"
    assert (images["b"].failure.cause, images["b"].delivered.since) == ("guest", 1)


def test_what_vouches_for_an_image_is_there_before_it_is_in_service(tmp_path):
    def vouch(folder: Path, slug: str, done: Night) -> None:
        assert in_service(Places(tmp_path), slug) is None
        (folder / "SHA256SUMS").write_text(f"{slug} {done.number}")

    night(tmp_path, CHAIN, FakeExecutor(), rules=Rules(pauses=(), vouch=vouch))
    for slug in CHAIN:
        assert (in_service(Places(tmp_path), slug) / "SHA256SUMS").read_text() == f"{slug} 1"


def test_an_image_for_which_nothing_vouches_is_not_in_service(tmp_path):
    def vouch(_folder: Path, slug: str, _night: Night) -> None:
        if slug == "middle":
            raise LabwrightError("the disk is full", cause=Cause.DISK_FULL)

    done = night(tmp_path, CHAIN, FakeExecutor(), rules=Rules(pauses=(), vouch=vouch))
    assert states(done) == {"base": "built", "middle": "failed", "top": "skipped", "other": "built"}
    assert in_service(Places(tmp_path), "middle") is None
