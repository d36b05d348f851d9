"""Builds on the workers of a real cluster: Dask's scheduler, workers as processes, Debian's registry. The build itself
is a FAKE (tests/support/fake_build.py), so that it takes a moment and fails on demand."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from distributed import Client
from support.clusters import FAKE, Cluster, cluster
from support.interrupted import before, heard
from support.registry import RealRegistry, access, real_registry
from support.registry_images import made_up_image
from support.registry_odd import FakeRegistry, Silence, serving

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.host.paths import Paths
from labwright.nightly import worker
from labwright.nightly.cluster import ClusterExecutor, Rules
from labwright.nightly.cluster_link import Link
from labwright.nightly.cluster_room import Room, rooms_of
from labwright.nightly.cluster_staging import Staging
from labwright.nightly.executor import Job, JobResult
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager
from labwright.registry.transport import Patience

GIB = 1 << 30


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Iterator[RealRegistry]:
    with real_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr("labwright.nightly.cluster.FRESH", 0.2)


@pytest.fixture
def dask(tmp_path) -> Iterator[Cluster]:
    """For tests that end workers or the scheduler."""
    with cluster(tmp_path / "cluster") as made:
        yield made


@pytest.fixture(scope="module")
def standing(tmp_path_factory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        for name in ("one", "two"):
            made.begin_worker(name, "--slots", "1", "--memory", "8G", FAKE_SECRET=f"the secret of {name}")
        made.wait_for("one", "two")
        yield made


@pytest.fixture
def two(standing) -> Cluster:
    """With the workers one and two, which are there for other tests as well."""
    standing.pids.unlink(missing_ok=True)
    return standing


def empty(dask: Cluster, name: str) -> bool:
    """Whether a worker holds nothing of a job any more, beside its own small files."""
    return not list((dask.folder / name / "scratch").glob("*/images"))


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    return Workshop(Paths(tmp_path / "coordinator"), hook_manager()[0])


def folder(root: Path, slug: str, *behaviour: str, base: str = "") -> Path:
    place = root / "images" / slug
    place.mkdir(parents=True)
    start = f"  from: ../{base}\n" if base else ""
    (place / "image.meta.yaml").write_text(f"slug: {slug}\ndescription: x\nbuild:\n  type: debian\n{start}")
    (place / "behaviour").write_text("\n".join(behaviour))
    return place


def job(root: Path, slug: str, *behaviour: str, **more: object) -> Job:
    output = root / "out" / slug
    output.mkdir(parents=True)
    place = folder(root, slug, *behaviour, base=str(more.pop("of", "")))
    return Job(slug, place, output, **more)  # type: ignore[arg-type]


def executor(dask: Cluster, registry: RealRegistry, workshop: Workshop, **rules: object) -> ClusterExecutor:
    staging = Staging(f"{registry.host}/staging", workshop, access())
    return ClusterExecutor(Link(dask.address), staging, Rules(**{"program": FAKE, "grace": 5.0} | rules))  # type: ignore[arg-type]


def ended(running: ClusterExecutor, count: int, limit: float = 240) -> dict[str, JobResult]:
    found: dict[str, JobResult] = {}
    until = time.monotonic() + limit
    while len(found) < count:
        assert time.monotonic() < until, f"only {sorted(found)} ended"
        found |= {result.job.slug: result for result in running.wait(1)}
    return found


def alive(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def eventually(what: Callable[[], bool], limit: float = 80) -> bool:
    until = time.monotonic() + limit
    while not what() and time.monotonic() < until:
        time.sleep(0.1)
    return what()


def pids(dask: Cluster, count: int = 1) -> list[int]:
    assert eventually(lambda: dask.pids.exists() and len(dask.pids.read_text().splitlines()) >= count)
    return [int(line) for line in dask.pids.read_text().splitlines()]


def test_images_are_built_on_two_workers_at_once_and_come_back_checked(two, registry, workshop, tmp_path):
    heard: list[Event] = []
    with executor(two, registry, workshop) as running:
        jobs = [job(tmp_path, slug, "sleep 1", memory=GIB) for slug in ("leaf", "spine")]
        assert running.admits(jobs[0])
        running.start(jobs[0], heard.append)
        assert running.admits(jobs[1])
        running.start(jobs[1], heard.append)
        third = job(tmp_path, "third", memory=GIB)
        assert not running.admits(third), "two slots are taken"
        results = ended(running, 2)
        assert running.admits(third)
        # What was made of it comes back to where the next image starts from.
        running.start(job(tmp_path, "top", of="leaf", base=jobs[0].output), heard.append)
        results |= ended(running, 1)
    assert [result.failure for result in results.values()] == [None] * 3
    reports = {slug: json.loads((result.job.output / f"{slug}.json").read_text()) for slug, result in results.items()}
    assert {reports["leaf"]["worker"], reports["spine"]["worker"]} == {"one", "two"}
    assert reports["leaf"]["secret"] == f"the secret of {reports['leaf']['worker']}", "it is resolved on the worker"
    assert reports["top"]["made of"] == ["leaf.json", "leaf.qcow2"]
    assert (results["leaf"].job.output / "leaf.qcow2").is_file()
    assert results["leaf"].steps[0].name == "fake"
    assert results["leaf"].worker
    assert ("step-started", "leaf") in {(event.kind, event.image) for event in heard}
    assert list((tmp_path / "coordinator/scratch").iterdir()) == []
    assert empty(two, "one")
    assert empty(two, "two")


def test_a_worker_that_dies_is_replaced_by_a_large_one_or_one_that_comes_later_and_three_deaths_are_enough(
    dask, registry, workshop, tmp_path
):
    """One worker is too small all the time: Dask's own "or another worker" takes it, and never ends."""

    def begin(name: str, memory: str = "8G") -> None:
        dask.begin_worker(name, "--slots", "1", "--memory", memory)

    def tried(count: int) -> bool:
        return eventually(lambda: dask.deaths.exists() and len(dask.deaths.read_text().splitlines()) >= count, 240)

    with executor(dask, registry, workshop, grace=60.0) as running:
        running.start(job(tmp_path, "leaf", "die 1", memory=4 * GIB), lambda _: None)
        for name in ("one", "two"):
            begin(name)
        begin("small", "1G")
        result = ended(running, 1)["leaf"]
        assert result.failure is None, "it waits for the first, and goes on on the second"
        first, second = dask.deaths.read_text().splitlines()
        assert {first, second} == {"one", "two"}
        assert json.loads((result.job.output / "leaf.json").read_text())["worker"] == second
        dask.wait_for("small")
        running.start(job(tmp_path, "spine", "die 9", memory=4 * GIB), lambda _: None)
        assert tried(3)
        begin("three")
        assert tried(4)
        begin("four")
        failed = ended(running, 1)["spine"].failure
        assert failed is not None
        assert failed.what == "3 workers died while they built spine"
        assert failed.cause == Cause.HOST.value, "which is not tried again in the same night"
        running.start(job(tmp_path, "top"), lambda _: None)
        assert ended(running, 1)["top"].failure is None, "the small one works all the time"


def test_when_the_only_worker_that_was_large_enough_dies_the_failure_says_so(two, registry, workshop, tmp_path):
    large = two.start_worker("large", "--slots", "1", "--memory", "16G")
    with executor(two, registry, workshop, grace=0.5) as running:
        running.start(job(tmp_path, "leaf", "sleep 600", memory=12 * GIB), lambda _: None)
        (child,) = pids(two)
        large.kill()
        failed = ended(running, 1)["leaf"].failure
    assert failed is not None
    assert "no worker can build leaf: MEMORY: it takes 12884 MB, and 8000 MB are the most" in failed.what
    assert failed.cause == Cause.HOST.value
    assert "died while it built it" in failed.details[0]
    assert eventually(lambda: not alive(child))


def test_a_full_disk_is_tried_on_another_worker_and_not_there_again(two, registry, workshop, tmp_path):
    with executor(two, registry, workshop) as running:
        for slug, full in (("leaf", "one"), ("spine", "two"), ("both", "one two")):
            running.start(job(tmp_path, slug, f"full {full}"), lambda _: None)
            result = ended(running, 1)[slug]
            if slug == "both":
                assert result.failure is not None
                assert result.failure.cause == Cause.DISK_FULL.value
                assert result.log is not None
                assert result.log.read_text() == "the whole log of a fake\n"
                continue
            assert result.failure is None
            assert json.loads((result.job.output / f"{slug}.json").read_text())["worker"] != full


def test_a_build_that_fails_says_why_as_it_does_here(two, registry, workshop, tmp_path):
    with executor(two, registry, workshop) as running:
        running.start(job(tmp_path, "leaf", "fail"), lambda _: None)
        guest = ended(running, 1)["leaf"].failure
        running.start(job(tmp_path, "stray", "stray"), lambda _: None)
        stray = ended(running, 1)["stray"].failure
    assert guest is not None
    assert (guest.what, guest.cause, guest.hint) == ("the guest does not come up", "guest", "a hint")
    assert guest.details == ("the last line",)
    assert stray is not None
    assert "ended without a word (exit code 3)" in stray.what


def test_no_worker_that_can_do_it_is_a_failure_that_names_what_is_missing(dask, two, registry, workshop, tmp_path):
    with executor(dask, registry, workshop, grace=0.5) as running:
        assert running.admits(job(tmp_path, "none"))
        running.start(job(tmp_path, "leaf"), lambda _: None)
        failed = ended(running, 1)["leaf"].failure
    assert failed is not None
    assert (failed.what, failed.cause) == ("no worker can build leaf: there is none", Cause.HOST.value)
    with executor(two, registry, workshop, grace=0.5) as running:
        running.start(job(tmp_path, "large", memory=64 * GIB), lambda _: None)
        assert not running.admits(job(tmp_path, "next")), "who waits for a worker goes first"
        failed = ended(running, 1)["large"].failure
    assert failed is not None
    assert "MEMORY: it takes 68719 MB, and" in failed.what


def test_a_job_that_is_called_off_ends_on_the_worker_too_and_what_it_held_is_given_back(
    two, registry, workshop, tmp_path
):
    with executor(two, registry, workshop) as running:
        running.start(job(tmp_path, "leaf", f"hold {tmp_path / 'held'}", "sleep 600"), lambda _: None)
        (child,) = pids(two)
        assert alive(child)
        assert (tmp_path / "held").is_dir()
    assert eventually(lambda: not alive(child)), "leaving the executor ends what runs there"
    assert eventually(lambda: not (tmp_path / "held").exists())
    assert eventually(lambda: empty(two, "one") and empty(two, "two"))
    with executor(two, registry, workshop) as running:
        for slug in ("spine", "top"):
            running.start(job(tmp_path, slug, "sleep 1"), lambda _: None)
        assert [result.failure for result in ended(running, 2).values()] == [None, None], "and its slot is free again"


def test_a_build_of_which_nothing_is_heard_is_given_up_and_called_off(two, registry, workshop, tmp_path):
    with executor(two, registry, workshop, silence=10.0) as running:
        running.start(job(tmp_path, "leaf", "sleep 600"), lambda _: None)
        (child,) = pids(two)
        failed = ended(running, 1)["leaf"].failure
        assert failed is not None
        assert failed.what.startswith("nothing was heard of the build of leaf on ")
        assert eventually(lambda: not alive(child))


def test_a_worker_that_is_told_to_end_ends_its_build(two, registry, workshop, tmp_path):
    worker = two.start_worker("ending", "--slots", "2", "--memory", "9G")
    with executor(two, registry, workshop) as running:
        running.start(job(tmp_path, "leaf", "sleep 600"), lambda _: None)
        (child,) = pids(two)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(120) == 0, "the job was its, since it had most room"
        assert not alive(child)
        assert empty(two, "ending")


def test_a_scheduler_that_goes_away_is_a_network_failure_and_workers_come_back(dask, registry, workshop, tmp_path):
    heard: list[Event] = []
    dask.start_worker("one", "--slots", "1")
    with executor(dask, registry, workshop) as running:
        running.start(job(tmp_path, "leaf", "sleep 600"), lambda _: None)
        (child,) = pids(dask)
        assert dask.scheduler is not None
        old = running._connected()
        dask.scheduler.kill()
        dask.scheduler.wait()
        failed = ended(running, 1)["leaf"].failure
        assert failed is not None
        assert failed.cause == Cause.NETWORK.value
        assert failed.what == f"there is no scheduler at {dask.address}"
        assert eventually(lambda: not alive(child))
        dask.start_scheduler()
        assert eventually(lambda: dask.log("one").count("working for") == 2)
        new = running._connected()
        running._gone(old)
        assert running._connected() is new, "what a late job says of the old connection is not about the new one"
        running.start(job(tmp_path, "spine"), heard.append)
        assert ended(running, 1)["spine"].failure is None
    assert heard, "the new scheduler is listened to as well"


def test_no_scheduler_is_said_at_once(registry, workshop, tmp_path, monkeypatch):
    monkeypatch.setattr("labwright.nightly.cluster.PATIENCE", 1.0)
    with pytest.raises(LabwrightError, match=r"there is no scheduler at tcp://127\.0\.0\.1:1") as caught:
        ClusterExecutor(Link("tcp://127.0.0.1:1"), Staging(f"{registry.host}/x", workshop, access())).__enter__()
    assert caught.value.cause is Cause.NETWORK
    assert "docs/cluster.md" in caught.value.hint


def test_a_staging_registry_that_is_gone_is_a_network_failure(two, workshop, tmp_path):
    with real_registry(tmp_path / "registry") as gone:
        pass
    base = made_up_image(tmp_path / "base", "leaf").parent
    folder(tmp_path, "leaf")
    with executor(two, gone, workshop) as running:
        running.start(job(tmp_path, "spine", of="leaf", base=base), lambda _: None)
        failed = ended(running, 1)["spine"].failure
    assert failed is not None
    assert failed.cause == Cause.NETWORK.value


def test_leaving_waits_neither_for_a_silent_registry_nor_for_a_build_that_was_not_started(
    two, workshop, tmp_path, monkeypatch
):
    base = made_up_image(tmp_path / "base", "leaf").parent
    folder(tmp_path, "leaf")
    with serving(FakeRegistry()) as fake:
        silence = fake.odd = Silence("no answer")
        patient = access(patience=Patience(read=Silence.LONG, answer=Silence.LONG))
        running = ClusterExecutor(Link(two.address), Staging(f"{fake.host}/staging", workshop, patient))
        before(monkeypatch, "start", "build of top")
        try:
            with heard(), pytest.raises(KeyboardInterrupt), running:
                running.start(job(tmp_path, "spine", of="leaf", base=base), lambda _: None)
                assert silence.reached.wait(80)
                begun = time.monotonic()
                running.start(job(tmp_path, "top", of="leaf", base=base), lambda _: None)
        finally:
            silence.over.set()
    assert time.monotonic() - begun < Silence.LONG / 2
    assert list((tmp_path / "coordinator/scratch").iterdir()) == [], "nobody works in there any more"


def test_a_name_that_the_scheduler_still_has_is_no_bug_and_is_tried_again(two, tmp_path, monkeypatch):
    (name, *_) = (room.name for room in rooms(two))
    monkeypatch.setattr(worker, "worker_name", lambda: name)
    said: list[str] = []

    def hear(text: str) -> None:
        said.append(text)
        os.kill(os.getpid(), signal.SIGTERM)

    worker.serve(Link(two.address), worker.Offer(1, GIB, root=True, kvm=False), access(), tmp_path, hear)
    assert len(said) == 1
    assert f"the scheduler at {two.address} does not take this worker (" in said[0]
    assert f"name taken, {name}" in said[0]


def rooms(dask: Cluster) -> tuple[Room, ...]:
    with Client(dask.address, set_as_default=False, direct_to_workers=False) as client:
        return rooms_of(client.scheduler_info(n_workers=-1))
