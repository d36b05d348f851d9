"""Secrets are named, read late, and shown by nothing."""

from __future__ import annotations

import json

import pytest

from labwright.errors import LabwrightError
from labwright.interfaces import DiskRequest
from labwright.pipeline.stage2 import folder_digest
from labwright.provision.private import read_private
from labwright.spec.image import ImageSpec
from labwright.spec.load import load_image
from labwright.spec.secret import read_secret


def spec(**one: str) -> ImageSpec:
    private = {"from": "env:LABWRIGHT_TEST_LICENCE", "path": "/etc/licence"} | one
    facts = {"slug": "x", "description": "x", "build": {"type": "linux", "privateFiles": (private,)}}
    return ImageSpec.model_validate(facts)


def test_a_variable_and_a_file_are_read(monkeypatch, tmp_path):
    monkeypatch.setenv("LABWRIGHT_TEST_LICENCE", "from a variable")
    assert read_private(spec(), tmp_path) == {"/etc/licence": b"from a variable"}
    (tmp_path / "licence").write_bytes(b"\x00binary\xff")
    assert read_secret(f"file:{tmp_path}/licence", "x", tmp_path / "image") == b"\x00binary\xff"


@pytest.mark.parametrize(
    "reference", ["hunter2", "env:", "env:1x", "file:relative", "https://host/x", "file:/a\nb", ""]
)
def test_what_is_no_reference_is_refused_and_not_repeated(reference, tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    facts = {"slug": "x", "description": "x", "build": {"type": "linux", "privateFiles": [
        {"from": reference, "path": "/x"}]}}  # fmt: skip
    (folder / "image.meta.yaml").write_text(json.dumps(facts))
    with pytest.raises(LabwrightError) as caught:
        load_image(folder)
    said = caught.value.what + " ".join(caught.value.details)
    assert "env:NAME" in said
    assert "hunter2" not in said


def test_a_pipe_or_a_folder_is_no_secret_and_nobody_waits_for_it(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(LabwrightError):
            read_secret(f"file:{tmp_path / name}", "x", tmp_path / "image")


def test_a_request_does_not_show_its_secrets(tmp_path):
    request = DiskRequest(spec(), tmp_path, tmp_path, "mounted", private={"/etc/licence": b"hunter2"})
    assert "hunter2" not in repr(request)
    assert "antidotepassword" not in repr(request)


def test_what_a_playbook_reads_changes_the_key_and_what_it_does_not_read_does_not(tmp_path):
    (tmp_path / "play.yml").write_text("x")
    first = folder_digest(tmp_path)
    for name in ("README.md", "image.lock.json", "test.sh"):
        (tmp_path / name).write_text("x")
    assert folder_digest(tmp_path) == first
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a").write_text("x")
    second = folder_digest(tmp_path)
    assert second != first
    (tmp_path / "files/a").chmod(0o755)
    assert folder_digest(tmp_path) not in {first, second}


def test_hidden_files_and_what_links_lead_to_are_in_the_key(tmp_path):
    shared, folder = tmp_path / "shared", tmp_path / "image"
    shared.mkdir()
    (folder / "roles").mkdir(parents=True)
    (shared / "tasks.yml").write_text("one")
    seen = {folder_digest(folder)}
    (folder / "roles/common").symlink_to("../../shared")
    (folder / "roles/loop").symlink_to("..")
    seen.add(folder_digest(folder))
    (shared / "tasks.yml").write_text("two")
    seen.add(folder_digest(folder))
    (folder / "roles/.vimrc").write_text("x")
    seen.add(folder_digest(folder))
    assert len(seen) == 4
