"""Disks from outside: what is hostile is refused before QEMU sees it, what is sound is converted whole."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support import hostile
from typer.testing import CliRunner

from labwright.cli.app import app
from labwright.errors import Cause, LabwrightError
from labwright.foreign import checked_tree, qemu

CASES, TREES = hostile.load()


def nothing_left(cache: Path) -> None:
    for name in ("ledger", "scratch"):
        assert not (cache / name).exists() or list((cache / name).iterdir()) == []


def test_the_corpus_is_large():
    assert len(CASES) >= 40
    assert len({case.name for case in CASES + TREES}) == len(CASES) + len(TREES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_hostile_is_refused_with_a_remedy_and_leaves_nothing(case, tmp_path, own_cache, monkeypatch):
    source = case.build(hostile.place(tmp_path))
    if not case.opened:
        # QEMU would open other files before it could be stopped.
        monkeypatch.setattr(qemu, "_run", lambda *_: pytest.fail("qemu-img was started"))
    outside = tmp_path / "out"
    outside.mkdir()
    before = sorted(tmp_path.rglob("*"))
    started = time.monotonic()
    done = CliRunner().invoke(app, ["convert", "--", str(source), str(outside / "new.qcow2")])
    assert time.monotonic() - started < hostile.SECONDS
    assert done.exit_code == Cause.CONFIG.exit_code, done.output
    assert hostile.plain_name(source) in done.output
    assert "\nwhat to do: " in done.output
    assert "Traceback" not in done.output
    assert hostile.SECRET not in done.output
    assert list(outside.iterdir()) == []
    nothing_left(own_cache)
    assert [path for path in sorted(tmp_path.rglob("*")) if not path.is_relative_to(own_cache)] == before


@pytest.mark.parametrize("case", TREES, ids=lambda case: case.name)
def test_a_tree_that_would_leave_its_place_is_refused(case, tmp_path, bench):
    source = case.build(hostile.place(tmp_path))
    with pytest.raises(LabwrightError) as caught:
        checked_tree(source, tmp_path / "new.tar", bench)
    assert caught.value.cause == Cause.CONFIG
    assert source.name in caught.value.what
    assert caught.value.hint
    assert not list(tmp_path.glob("*new.tar*"))
    assert list(bench.scratch.iterdir()) == []
