"""Folders for logs: the oldest builds' go, and never those of labs or of builds that are at work."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from labwright.host.ledger import Ledger
from labwright.host.paths import Paths
from labwright.pipeline.runner import KEEP_LOGS, YOUNG, Runner
from labwright.pipeline.store import Store


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    paths = Paths(tmp_path / "cache")
    ledger = Ledger(paths.ledger)
    return Runner("one", paths, Store(paths.store, ledger), ledger, lambda event: None, 1, 0)


def folder(runner: Runner, name: str, age: float = 0.0) -> Path:
    made = runner.paths.logs / name
    made.mkdir(parents=True)
    log = made / "01-tree.log"
    log.write_text("what a tool said")
    for path in (log, made):
        os.utime(path, (time.time() - age,) * 2)
    return made


def test_the_oldest_builds_logs_go(runner: Runner) -> None:
    made = [folder(runner, f"202601{day:02}-000000-one-abcdef", 2 * YOUNG) for day in range(1, KEEP_LOGS + 3)]
    runner.logs()
    assert [path for path in made if path.exists()] == made[3:]


def test_a_build_at_work_keeps_its_logs_however_many_there_are(runner: Runner) -> None:
    made = [folder(runner, f"202601{day:02}-000000-one-abcdef") for day in range(1, KEEP_LOGS + 3)]
    runner.logs()
    assert all(path.exists() for path in made)


def test_labs_logs_are_neither_counted_nor_removed(runner: Runner) -> None:
    labs = [folder(runner, f"lesson-{number}", 2 * YOUNG) for number in range(2 * KEEP_LOGS)]
    build = folder(runner, "20260101-000000-one-abcdef", 2 * YOUNG)
    runner.logs()
    assert build.exists()
    assert all(path.exists() for path in labs)
