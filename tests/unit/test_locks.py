"""Locks whose folder goes while somebody waits for them, and folders that two want to remove."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pluggy
import pytest

from labwright.host import locks
from labwright.host.locks import exclusive, take
from labwright.host.paths import Paths
from labwright.pipeline import prune as pruning
from labwright.pipeline.prune import prune
from labwright.pipeline.workshop import Workshop


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    paths = Paths(tmp_path / "cache")
    paths.ensure()
    return Workshop(paths, pluggy.PluginManager("labwright"))


def test_a_lock_is_got_when_its_folder_went_while_it_was_waited_for(tmp_path, monkeypatch):
    lock, flock = tmp_path / "lists/in-use", fcntl.flock

    def removed_meanwhile(stream, how):
        monkeypatch.undo()
        shutil.rmtree(lock.parent)
        flock(stream, how)

    monkeypatch.setattr(locks.fcntl, "flock", removed_meanwhile)
    with exclusive(lock) as held:
        assert os.fstat(held.fileno()).st_ino == lock.stat().st_ino


def test_a_lock_is_got_when_its_folder_went_before_the_file_was_made(tmp_path, monkeypatch):
    lock, mkdir = tmp_path / "lists/in-use", Path.mkdir

    def removed_meanwhile(folder, *words, **options):
        monkeypatch.undo()
        mkdir(folder, *words, **options)
        folder.rmdir()

    monkeypatch.setattr(Path, "mkdir", removed_meanwhile)
    with exclusive(lock) as held:
        assert os.fstat(held.fileno()).st_ino == lock.stat().st_ino


def test_two_who_prune_at_once_choose_the_same_snapshot(workshop, monkeypatch):
    folder = workshop.paths.root / "snapshots/frr-0"
    folder.mkdir(parents=True)
    (folder / "memory").write_bytes(b"x" * 1000)
    others: list[tuple[str, ...]] = []

    def after_another(*words, **options):
        monkeypatch.undo()
        others.append(prune(workshop, 0).removed)
        return take(*words, **options)

    monkeypatch.setattr(pruning, "take", after_another)
    assert prune(workshop, 0).left == 0
    assert others == [("snapshots/frr-0",)]
    assert list(folder.parent.iterdir()) == []
    assert workshop.ledger.entries() == []


def test_who_wants_the_lists_of_a_mirror_while_they_are_removed_has_a_new_folder(workshop, monkeypatch):
    lock = workshop.paths.downloads / "dnf-0123456789abcdef/in-use"
    with exclusive(lock):
        (lock.parent / "answers").mkdir()
    rmtree = shutil.rmtree
    got = []

    def while_somebody_comes(place, *words, **options):
        monkeypatch.undo()
        got.append(take(lock, fcntl.LOCK_EX, wait=False))
        rmtree(place, *words, **options)

    monkeypatch.setattr(shutil, "rmtree", while_somebody_comes)
    assert prune(workshop, 0).removed == ("lists/dnf-0123456789abcdef",)
    (held,) = got
    with held:
        assert os.fstat(held.fileno()).st_ino == lock.stat().st_ino
    assert list(lock.parent.parent.rglob("answers")) == []
