"""The revision of images: git's, also where the repository is another user's, and never lost without a word."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import reports

from labwright.trust.provenance import Invocation, provenance
from labwright.trust.revision import revision_of

NOBODY = 65534


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@x", *words], check=True, capture_output=True,
        text=True,
    ).stdout.strip()  # fmt: skip


@pytest.fixture
def images(tmp_path) -> Path:
    git(tmp_path, "init", "--quiet")
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "file").write_text("x")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "x")
    return folder


def quiet(folder: Path) -> str:
    said: list[str] = []
    found = revision_of(folder, said.append)
    assert said == []
    return found


def test_it_is_git_s_and_says_when_files_were_changed_since(images):
    commit = git(images, "rev-parse", "HEAD")
    assert quiet(images) == commit
    (images.parent / "beside").touch()
    assert quiet(images) == commit, "what is beside the images is no part of them"
    (images / "file").write_text("y")
    assert quiet(images) == f"{commit}-dirty"


def test_outside_of_a_repository_there_is_none_and_nothing_to_say(tmp_path):
    assert quiet(tmp_path) == ""


def test_a_repository_without_a_commit_is_said(tmp_path):
    git(tmp_path, "init", "--quiet")
    said: list[str] = []
    assert revision_of(tmp_path, said.append) == ""
    assert len(said) == 1
    assert said[0].startswith(f"the revision of {tmp_path} is not noted: fatal: ")


def test_git_that_is_not_installed_is_said(images, monkeypatch):
    monkeypatch.setattr("labwright.trust.revision.has_tool", lambda _: False)
    said: list[str] = []
    assert revision_of(images, said.append) == ""
    assert said == [f"the revision of {images} is not noted: git is not installed"]


def as_user(number: int, folder: Path) -> tuple[str, str]:
    """The revision and what was said, of a process of another user."""
    code = (
        "import os, sys; from pathlib import Path; from labwright.trust.revision import revision_of\n"
        "os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1])); said = []\n"
        "print(revision_of(Path(sys.argv[2]), said.append)); print(*said)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(number), folder], capture_output=True, text=True, check=True,
        env=os.environ | {"HOME": "/nonexistent"},
    )  # fmt: skip
    found, said = done.stdout.splitlines()
    return found, said


@pytest.fixture
def shared(images) -> Iterator[Path]:
    """Where other users may read it: what is below a test's own folder is its user's alone."""
    with tempfile.TemporaryDirectory(prefix="labwright-revision-") as name:
        place = Path(name) / "repository"
        shutil.copytree(images.parent, place)
        for folder in (place.parent, place, place / images.name):
            folder.chmod(0o755)
        yield place / images.name


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_service_of_its_own_user_finds_the_revision_of_what_root_installed(shared):
    assert as_user(NOBODY, shared) == (git(shared, "rev-parse", "HEAD"), "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_repository_around_our_images_that_somebody_else_made_is_not_trusted(shared):
    for path in (shared.parent / ".git").rglob("*"):
        os.chown(path, 1234, 1234)
    os.chown(shared.parent / ".git", 1234, 1234)
    os.chown(shared.parent, 1234, 1234)
    found, said = as_user(NOBODY, shared)
    assert found == ""
    assert "dubious ownership" in said


def test_no_program_that_the_repository_names_is_run(images, tmp_path):
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    git(images, "config", "core.fsmonitor", str(program))
    git(images, "config", "core.hooksPath", str(tmp_path))
    (tmp_path / "post-index-change").symlink_to(program)
    os.utime(images / "file")
    assert quiet(images) == git(images, "rev-parse", "HEAD")
    assert not ran.exists()


@pytest.mark.parametrize("commit", ["ab" * 20, "cd" * 32])
def test_a_changed_folder_keeps_its_commit_in_the_provenance_and_is_called_dirty(commit):
    def first(revision: str) -> object:
        found = provenance(reports.debian(), Invocation(revision=revision))
        return found["predicate"]["buildDefinition"]["resolvedDependencies"][0]

    clean = {"name": "images", "digest": {"gitCommit": commit}}
    assert first(commit) == clean
    assert first(f"{commit}-dirty") == clean | {"annotations": {"dirty": True}}
