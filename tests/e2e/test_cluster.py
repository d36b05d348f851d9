"""A real image on real workers: one is killed in the middle, the other makes it."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from support import builds
from support.clusters import cluster
from support.registry import access, real_registry

from labwright.hooks import Event
from labwright.host.paths import Paths
from labwright.nightly.cluster import ClusterExecutor
from labwright.nightly.cluster_link import Link
from labwright.nightly.cluster_staging import Staging
from labwright.nightly.executor import Job, JobResult
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")
LEAF = "slug: {slug}\ndescription: x\nbuild:\n  type: debian\n  from: ../debian\n  post: [post.sh]\n"


def image(images: Path, slug: str) -> Path:
    folder = images / slug
    folder.mkdir()
    (folder / "image.meta.yaml").write_text(LEAF.format(slug=slug))
    (folder / "post.sh").write_text(f"echo {slug} > /etc/leaf\n")
    (folder / "test.sh").write_text(f'[ "$(cat /etc/leaf)" = {slug} ]\n')
    return folder


def test_a_worker_is_killed_while_it_builds_and_the_other_makes_the_image(tmp_path):
    images, base = tmp_path / "images", tmp_path / "base"
    shutil.copytree(builds.REPOSITORY / "images/debian", images / "debian")
    done = builds.command("build", images / "debian", "--out", base, "--offline", cache=builds.users_cache())
    if done.returncode:
        done = builds.command("build", images / "debian", "--out", base, cache=builds.users_cache())
    assert done.returncode == 0, done.stdout + done.stderr
    workshop = Workshop(Paths(tmp_path / "coordinator"), hook_manager()[0])
    building = threading.Event()
    events: list[Event] = []

    def hear(event: Event) -> None:
        events.append(event)
        if event.kind == "step-started" and event.step == "customize":
            building.set()

    with real_registry(tmp_path / "registry") as registry, cluster(tmp_path / "cluster") as dask:
        doomed = dask.start_worker("one", "--slots", "1")
        staging = Staging(f"{registry.host}/staging", workshop, access())
        with ClusterExecutor(Link(dask.address), staging) as running:
            output = tmp_path / "out"
            output.mkdir()
            running.start(Job("leaf", image(images, "leaf"), output, base), hear)
            dask.begin_worker("two", "--slots", "2")
            assert building.wait(900)
            doomed.kill()
            ended: tuple[JobResult, ...] = ()
            while not ended:
                ended = running.wait(5)
    (result,) = ended
    assert result.failure is None
    report = json.loads((output / "leaf.json").read_text())
    assert builds.digest(output / "leaf.qcow2") == report["sha256"]
    assert {boot["script"] for boot in report["tests"]["boots"].values()} >= {True}, "its own test ran in it"
    assert [step.name for step in result.steps] == ["base", "customize", "test"]
    assert [event.kind for event in events].count("build-started") == 2
    assert builds.leaks(tmp_path / "cluster/two") == []
