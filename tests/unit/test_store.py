"""Outputs are found by what went in, appear whole or not at all, and damage is noticed."""

from __future__ import annotations

import os
import threading
import time

import pluggy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import Cause, LabwrightError
from labwright.host.ledger import Ledger
from labwright.host.locks import exclusive
from labwright.host.paths import Paths
from labwright.pipeline.explain import explain, last_two, subject
from labwright.pipeline.preflight import check_room
from labwright.pipeline.prune import prune
from labwright.pipeline.runner import Runner
from labwright.pipeline.steps import Needs, Step, estimate, key_of, plan, until
from labwright.pipeline.store import Damaged, Store, text_digest
from labwright.pipeline.workshop import Workshop


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
    first = runner.run(steps, dict)
    second = runner.run(steps, dict)
    assert ran == ["a", "b"]
    assert first["b"].digest == second["b"].digest


def test_a_changed_option_runs_that_step_and_what_reads_it(runner):
    ran = []
    runner.run((step("a", ran=ran, release="one"), step("b", ran=ran, inputs=["a"]), step("c", ran=ran)), dict)
    ran.clear()
    runner.run((step("a", "y", ran=ran, release="two"), step("b", ran=ran, inputs=["a"]), step("c", ran=ran)), dict)
    assert ran == ["a", "b"]


def test_the_same_output_of_a_changed_step_stops_the_change_there(runner):
    ran = []
    runner.run((step("a", ran=ran, release="one"), step("b", ran=ran, inputs=["a"])), dict)
    ran.clear()
    runner.run((step("a", ran=ran, release="two"), step("b", ran=ran, inputs=["a"])), dict)
    assert ran == ["a"]


def test_a_failed_step_leaves_nothing_and_the_next_run_resumes_there(runner):
    ran = []

    def broken(output, done, bench):
        (output / "half").write_text("half")
        (bench.scratch / "work").write_text("work")
        raise LabwrightError("no", cause=__import__("labwright.errors").errors.Cause.HOST)

    with pytest.raises(LabwrightError):
        runner.run((step("a", ran=ran), Step("b", "b", broken)), dict)
    assert runner.ledger.entries() == []
    assert list(runner.paths.scratch.iterdir()) == []
    assert [stored.step for stored in runner.store.outputs()] == ["a"]
    runner.run((step("a", ran=ran), step("b", ran=ran)), dict)
    assert ran == ["a", "b"]


def test_a_flipped_bit_is_found_before_it_goes_into_an_image(runner):
    ran = []
    steps = (step("a", ran=ran), step("b", ran=ran), step("c", ran=ran, inputs=["a", "b"]))
    stored = runner.run(steps[:2], dict)["a"]
    (stored.folder / "file").write_text("y")
    done = runner.run(steps, dict)
    assert (done["c"].folder / "file").read_text() == "xxx"
    assert ran == ["a", "b", "a", "c"], "only what was damaged is made anew"


def test_a_flipped_bit_is_found_before_it_is_delivered(runner):
    ran = []
    steps = (step("a", ran=ran), step("b", ran=ran))
    (runner.run(steps, dict)["a"].folder / "file").write_text("y")

    def use(done):
        runner.store.check_file(done["a"], "file")
        return (done["a"].folder / "file").read_text()

    assert runner.run(steps, use) == "x"
    assert ran == ["a", "b", "a"]


def test_a_disk_that_damages_everything_ends_the_build(runner):
    def use(done):
        (done["a"].folder / "file").write_text("y")
        runner.store.check_file(done["a"], "file")

    with pytest.raises(Damaged, match="damaged"):
        runner.run((step("a"),), use)


def test_nobody_removes_what_a_build_uses(runner):
    def use(done):
        assert not runner.store.remove_unused(done["a"])
        return done["a"]

    stored = runner.run((step("a"),), use)
    assert stored.folder.exists()
    assert runner.store.remove_unused(stored)
    assert not stored.folder.exists()
    assert list((runner.paths.store / ".locks").iterdir()) == []


def test_a_build_does_not_wait_for_another_that_only_reads(runner):
    entered, leave = threading.Event(), threading.Event()

    def use(done):
        entered.set()
        assert leave.wait(10)

    reader = threading.Thread(target=runner.run, args=((step("a"),), use))
    reader.start()
    assert entered.wait(10)
    assert runner.run((step("a"),), dict)["a"].size == 1
    leave.set()
    reader.join()


def test_what_a_step_takes_is_remembered(runner):
    def hungry(output, done, bench):
        (output / "file").write_bytes(b"x" * 3_000_000)
        bench.run(["python3", "-c", "import time; x = b'x' * 50_000_000; time.sleep(1.5)"])

    stored = runner.run((Step("a", "a", hungry),), dict)["a"]
    assert 50_000_000 < stored.memory < 100_000_000
    assert stored.disk >= 2_000_000


def test_the_estimate_adds_what_stays_to_the_peak_that_comes(runner):
    needs = Needs(disk=30, memory=5, seconds=7)
    steps = (Step("a", "a", step("a").make, needs=needs), Step("b", "b", step("b").make, needs=needs))
    total = estimate(plan(steps, runner.store))
    assert (total.disk, total.memory, total.seconds, total.known) == (40_000_000, 5_000_000, 14.0, False)
    runner.run(steps, dict)
    assert estimate(plan(steps, runner.store)).seconds == 0


def test_until_keeps_what_is_needed():
    steps = (step("a"), step("b"), step("c", inputs=["a"]), step("d", inputs=["b", "c"]))
    assert [one.name for one in until(steps, "c")] == ["a", "c"]
    assert [one.name for one in until(steps, "d")] == ["a", "b", "c", "d"]


def test_a_missing_file_makes_the_step_run_again(runner):
    ran = []
    stored = runner.run((step("a", ran=ran),), dict)["a"]
    (stored.folder / "file").unlink()
    runner.run((step("a", ran=ran),), dict)
    assert ran == ["a", "a"]


def test_two_builds_of_the_same_thing_make_it_once(runner):
    ran = []

    def slow(output, done, bench):
        ran.append("slow")
        time.sleep(0.3)
        (output / "file").write_text("x")

    threads = [threading.Thread(target=runner.run, args=((Step("a", "a", slow),), dict)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == ["slow"]


def test_the_plan_says_why_and_touches_nothing(runner):
    runner.run((step("a", release="one"), step("b", inputs=["a"])), dict)
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


@pytest.fixture
def workshop(runner):
    return Workshop(runner.paths, pluggy.PluginManager("labwright"))


def test_what_was_used_longest_ago_goes_first_and_what_is_used_stays(runner, workshop):
    steps = tuple(step(name, "x" * 1000) for name in "abc")
    done = runner.run(steps, dict)
    for age, name in enumerate("bac"):
        os.utime(done[name].folder / "manifest.json", (age, age))
    package = runner.paths.downloads / "packages" / ("0" * 64)
    package.parent.mkdir(parents=True, exist_ok=True)
    package.write_bytes(b"x" * 1000)
    os.utime(package, (0.5, 0.5))

    def use(done):
        return prune(workshop, 1500)

    pruned = runner.run((steps[1],), use)
    assert pruned.removed == ("packages/" + "0" * 64, f"a/{done['a'].key}", f"c/{done['c'].key}")
    assert pruned.left == 1000
    assert [stored.step for stored in runner.store.outputs()] == ["b"]


def test_packages_that_are_being_fetched_stay(workshop):
    folder = workshop.paths.downloads / "packages"
    with exclusive(folder / "in-use"):
        (folder / ("0" * 64)).write_bytes(b"x")
        assert prune(workshop, 0).in_use == ("packages/" + "0" * 64,)
    assert prune(workshop, 0).left == 0


def test_the_lists_of_a_mirror_go_when_nobody_reads_them(workshop):
    folder = workshop.paths.downloads / "dnf-0123456789abcdef"
    with exclusive(folder / "in-use"):
        (folder / "answers").mkdir()
        (folder / "answers/x.json").write_bytes(b"x" * 1000)
        assert prune(workshop, 0).in_use == (f"lists/{folder.name}",)
    assert prune(workshop, 0).removed == (f"lists/{folder.name}",)
    assert not folder.exists()


def test_a_build_of_the_same_thing_survives_a_pruning_at_any_moment(runner, workshop):
    over, rounds = threading.Event(), []

    def pruning():
        while not over.is_set():
            prune(workshop, 0)
            rounds.append(len(rounds))

    thread = threading.Thread(target=pruning)
    thread.start()
    try:
        for _ in range(40):
            assert runner.run((step("a"),), lambda done: (done["a"].folder / "file").read_text()) == "x"
    finally:
        over.set()
        thread.join()
    assert len(rounds) > 40, "it ended early"


def test_the_last_two_outputs_of_a_step_are_compared(runner):
    runner.run((step("a", release="one"),), dict)
    runner.run((step("a", "y", release="two"), step("b", inputs=["a"])), dict)
    found = explain(*last_two("a", runner.store))
    assert found.inputs == ("a: release: one -> two",)
    assert not found.same
    assert set(subject("b", runner.store).steps) == {"a", "b"}
    for nonsense in ("nothing", "../..", "*", "a/zzz", ""):
        with pytest.raises(LabwrightError):
            subject(nonsense, runner.store)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"steps": []}', '{"steps": {"a": 3}}', "[" * 10000, "\x00"])
def test_a_file_that_is_no_report_is_an_error_in_words(runner, tmp_path, text):
    place = tmp_path / "report.json"
    place.write_text(text)
    with pytest.raises(LabwrightError, match="not a report"):
        subject(str(place), runner.store)


def test_what_cannot_fit_is_refused_with_numbers(runner, workshop):
    def steps(**needs):
        return plan((Step("a", "a", step("a").make, needs=Needs(**needs)),), runner.store)

    check_room(steps(disk=1, memory=1), workshop, None)
    with pytest.raises(LabwrightError, match="at its peak") as caught:
        check_room(steps(disk=10**9), workshop, None)
    assert caught.value.cause is Cause.DISK_FULL
    with pytest.raises(LabwrightError, match="step a takes 1000000000 MB") as caught:
        check_room(steps(memory=10**9), workshop, None)
    assert caught.value.cause is Cause.MEMORY
