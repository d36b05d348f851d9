"""Outputs are found by what went in, appear whole or not at all, and damage is noticed."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import LabwrightError
from labwright.host.ledger import Ledger
from labwright.host.paths import Paths
from labwright.pipeline.runner import Runner
from labwright.pipeline.steps import Step, key_of, plan
from labwright.pipeline.store import Store, text_digest


@pytest.fixture
def runner(tmp_path):
    paths = Paths(tmp_path / "cache")
    paths.ensure()
    ledger = Ledger(paths.ledger)
    events = []
    return Runner("image", paths, Store(paths.store, ledger), ledger, events.append, 1, 0)


def step(name, text="x", inputs=(), ran=None, **options):
    def make(output, done, bench):
        if ran is not None:
            ran.append(name)
        read = "".join((stored.folder / "file").read_text() for stored in done.values())
        (output / "file").write_text(read + text)

    return Step(name, name, make, options, tuple(inputs))


def test_nothing_changed_runs_nothing(runner):
    ran = []
    steps = (step("a", ran=ran), step("b", ran=ran, inputs=["a"]))
    first = runner.run(steps)
    second = runner.run(steps)
    assert ran == ["a", "b"]
    assert first["b"].digest == second["b"].digest


def test_a_changed_option_runs_that_step_and_what_reads_it(runner):
    ran = []
    runner.run((step("a", ran=ran, release="one"), step("b", ran=ran, inputs=["a"]), step("c", ran=ran)))
    ran.clear()
    runner.run((step("a", "y", ran=ran, release="two"), step("b", ran=ran, inputs=["a"]), step("c", ran=ran)))
    assert ran == ["a", "b"]


def test_the_same_output_of_a_changed_step_stops_the_change_there(runner):
    ran = []
    runner.run((step("a", ran=ran, release="one"), step("b", ran=ran, inputs=["a"])))
    ran.clear()
    runner.run((step("a", ran=ran, release="two"), step("b", ran=ran, inputs=["a"])))
    assert ran == ["a"]


def test_a_failed_step_leaves_nothing_and_the_next_run_resumes_there(runner):
    ran = []

    def broken(output, done, bench):
        (output / "half").write_text("half")
        (bench.scratch / "work").write_text("work")
        raise LabwrightError("no", cause=__import__("labwright.errors").errors.Cause.HOST)

    with pytest.raises(LabwrightError):
        runner.run((step("a", ran=ran), Step("b", "b", broken)))
    assert runner.ledger.entries() == []
    assert list(runner.paths.scratch.iterdir()) == []
    assert [stored.step for stored in runner.store.outputs()] == ["a"]
    runner.run((step("a", ran=ran), step("b", ran=ran)))
    assert ran == ["a", "b"]


def test_a_flipped_bit_is_found_before_it_goes_into_an_image(runner):
    steps = (step("a"), step("b", inputs=["a"]))
    stored = runner.run(steps[:1])["a"]
    (stored.folder / "file").write_text("y")
    with pytest.raises(LabwrightError, match="damaged"):
        runner.run(steps)
    assert runner.run(steps)["b"].files["file"]["size"] == 2


def test_a_missing_file_makes_the_step_run_again(runner):
    ran = []
    stored = runner.run((step("a", ran=ran),))["a"]
    (stored.folder / "file").unlink()
    runner.run((step("a", ran=ran),))
    assert ran == ["a", "a"]


def test_two_builds_of_the_same_thing_make_it_once(runner):
    ran = []

    def slow(output, done, bench):
        ran.append("slow")
        time.sleep(0.3)
        (output / "file").write_text("x")

    threads = [threading.Thread(target=runner.run, args=((Step("a", "a", slow),),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == ["slow"]


def test_the_plan_says_why_and_touches_nothing(runner):
    runner.run((step("a", release="one"), step("b", inputs=["a"])))
    before = sorted(str(path) for path in runner.paths.root.rglob("*"))
    planned = plan((step("a", release="two"), step("b", inputs=["a"]), step("c")), runner.store)
    assert [(item.step.name, item.runs) for item in planned] == [("a", True), ("b", True), ("c", True)]
    assert planned[0].why == "changed since it last ran: release"
    assert "a will make" in planned[1].why
    assert planned[2].why == "it has never run here"
    assert sorted(str(path) for path in runner.paths.root.rglob("*")) == before


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_different_texts_have_different_digests(one, two):
    assert (text_digest(*one) == text_digest(*two)) == (one == two)


def test_a_key_depends_on_names_and_values():
    assert key_of(step("a"), {"x": "1"}) != key_of(step("a"), {"x": "2"})
    assert key_of(step("a"), {"x": "1"}) != key_of(step("b"), {"x": "1"})
