"""An image that brings the machine down: it costs the others one night, whatever closes the nights."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support.fake_executor import FakeExecutor, FakeLooker, failed

from labwright.nightly import record
from labwright.nightly.executor import JobResult
from labwright.nightly.images import Candidate
from labwright.nightly.model import Night
from labwright.nightly.night import Book, Rules, run_night
from labwright.nightly.places import Places


class PowerCutError(BaseException):
    """Nothing of labwright's runs after it."""


def begun(places: Places, wanted: list[Candidate]) -> Book:
    """A night that wrote its record and was killed."""
    book = Book(places, record.begin(places, wanted))
    book.save()
    return book


def one_day_older(places: Places) -> None:
    night = record.last(places)
    record.write(places, replace(night, started=night.started - 24 * 3600))


def daily(places: Places, executor: FakeExecutor, wanted: list[Candidate]) -> Night:
    """A night as the timer starts it, with the last one a day ago."""
    if record.last(places):
        one_day_older(places)
        record.close_stale(places)
    book = Book(places, record.begin(places, wanted))
    looker = FakeLooker(unchanged=frozenset({"frr", "cheap"}), seconds={"bomb": 3600.0})
    run_night(book, wanted, executor, looker, Rules(pauses=()))
    book.save(finished=True)
    return book.night


def test_what_brings_the_machine_down_every_night_costs_the_others_one_night_and_is_given_up_in_the_fourth(tmp_path):
    places = Places(tmp_path)
    wanted = [Candidate(slug, Path("/images") / slug) for slug in ("bomb", "cheap", "frr")]
    wanted.append(Candidate("fragment", Path("/images/fragment"), needs=("bomb",)))

    def explode(job) -> None:
        if job.slug == "bomb":
            raise PowerCutError

    orders, crashes = [], []
    for _ in range(3):
        executor = FakeExecutor(on_start=explode, room=2)
        with pytest.raises(PowerCutError):
            daily(places, executor, wanted)
        orders.append(executor.order())
        one_day_older(places)
        closed = record.close_stale(places)
        crashes.append({image.slug: image.crashes for image in closed.images}["bomb"])
    assert orders == [[], ["cheap", "frr"], []], "first by its length, then last"
    assert crashes == [1, 2, 3]
    fourth = daily(places, FakeExecutor(on_start=explode), wanted)
    assert fourth.finished
    bomb, *_ = fourth.images
    assert (bomb.state, bomb.failure.what) == (
        "failed", "the nightly build was killed 3 times while bomb was built"
    )  # fmt: skip
    assert [image.slug for image in fourth.failed] == ["bomb", "fragment"]
    # Mended meanwhile: it gets its chance without anybody's help, and the count ends.
    fifth = daily(places, FakeExecutor(), wanted)
    assert {image.state for image in fifth.images} == {"built", "unchanged"}
    assert daily(places, FakeExecutor(), wanted).images[0].crashes == 0


@dataclass
class WaitingExecutor(FakeExecutor):
    """Waits as long as it is told to. pauses: what it was told while nothing was built."""

    pauses: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> tuple[JobResult, ...]:
        if not self.running:
            self.pauses.append(seconds)
            time.sleep(seconds)
        return super().wait(seconds)


def test_a_suspect_has_nothing_beside_it_and_waits_for_what_is_tried_again(tmp_path):
    places = Places(tmp_path)
    wanted = [Candidate(slug, Path("/images") / slug) for slug in ("a", "bomb", "z")]

    def explode(job) -> None:
        if job.slug == "bomb":
            raise PowerCutError

    with pytest.raises(PowerCutError):
        run_night(
            Book(places, record.begin(places, wanted)), wanted, FakeExecutor(on_start=explode),
            FakeLooker(seconds={"bomb": 3600.0}), Rules(),
        )  # fmt: skip
    executor = WaitingExecutor(room=3, fates={"a": [failed("network"), None]})
    book = Book(places, record.begin(places, wanted))
    began = time.monotonic()
    run_night(book, wanted, executor, FakeLooker(), Rules(pauses=(3.0,)))
    assert executor.order() == ["a", "z", "a", "bomb"]
    assert executor.beside[-1] == ("bomb",)
    assert time.monotonic() - began >= 3
    assert len(executor.pauses) < 10, "nobody asks a thousand times whether the pause is over"


def test_crashes_are_known_from_the_last_night_that_had_the_image(tmp_path):
    places = Places(tmp_path)
    frr, router = ([Candidate(slug, Path("/images") / slug)] for slug in ("frr", "router"))
    book = begun(places, [*frr, *router])
    book.put(replace(book.image("frr"), state="building"))
    # Asked for others when it goes on: the death counts all the same.
    book = begun(places, router)
    assert (book.image("frr").state, book.image("frr").crashes) == ("skipped", 1)
    book.save(finished=True)
    daily(places, FakeExecutor(), router)
    assert begun(places, frr).image("frr").crashes == 1
