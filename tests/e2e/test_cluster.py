"""Real images on real workers: one is killed in the middle, the other makes both."""

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


def test_a_worker_is_killed_while_it_builds_and_the_other_makes_all_images(tmp_path):
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
            for slug in ("first", "second"):
                output = tmp_path / "out" / slug
                output.mkdir(parents=True)
                running.start(Job(slug, image(images, slug), output, base), hear)
                if slug == "first":
                    assert building.wait(120)
                    dask.start_worker("two", "--slots", "2")
                    doomed.kill()
            results: dict[str, JobResult] = {}
            while len(results) < 2:
                results |= {result.job.slug: result for result in running.wait(5)}
    assert [result.failure for result in results.values()] == [None, None]
    for slug, result in results.items():
        report = json.loads((result.job.output / f"{slug}.json").read_text())
        assert builds.digest(result.job.output / f"{slug}.qcow2") == report["sha256"]
        assert {boot["script"] for boot in report["tests"]["boots"].values()} >= {True}, "its own test ran in it"
        assert [step.name for step in result.steps] == ["base", "customize", "test"]
    assert [event.image for event in events if event.kind == "build-started"].count("first") == 2
    assert builds.leaks(tmp_path / "cluster/two") == []
