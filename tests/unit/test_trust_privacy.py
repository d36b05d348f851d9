"""Whom an image is for: what it holds of others goes with it, and no report forgets it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from labwright.host.paths import Paths
from labwright.pipeline.base import Privacy, inherited_privacy, own_privacy
from labwright.pipeline.build import Wish, course_of, plan_image
from labwright.pipeline.deliver import Course, places, unchanged
from labwright.pipeline.steps import Step, key_of
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager
from labwright.spec.load import load_image

SECRET = '  privateFiles:\n    - {from: "env:LAB_LICENCE", path: /etc/%s}\n'


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setenv("LAB_LICENCE", "the licence itself")
    return Workshop(Paths(tmp_path / "cache"), hook_manager()[0])


def image(root: Path, name: str, build: str) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "image.meta.yaml").write_text(f"slug: {name}\ndescription: x\nbuild:\n{build}")
    return folder


def delivered(root: Path, name: str, **facts: object) -> Path:
    """A disk and its report, as a build leaves them."""
    disk = root / f"{name}.qcow2"
    disk.write_bytes(b"QFI\xfb" + name.encode())
    delivered_report(disk, **facts)
    return disk


def delivered_report(disk: Path, **facts: object) -> None:
    report = {"sha256": hashlib.sha256(disk.read_bytes()).hexdigest()} | facts
    disk.with_suffix(".json").write_text(json.dumps(report))


def test_an_image_is_public_and_holds_nothing_private_where_nothing_is_said(tmp_path, workshop):
    spec = load_image(image(tmp_path, "one", "  type: debian\n"))
    assert own_privacy(spec).beside(inherited_privacy(spec, workshop)).facts() == {
        "private": [], "visibility": "public"
    }  # fmt: skip


def test_what_starts_from_a_private_image_is_private_whatever_it_says(tmp_path, workshop):
    image(tmp_path, "one", "  type: debian\n  visibility: private\n" + SECRET % "first")
    image(tmp_path, "two", "  type: frr\n  from: ../one\n")
    spec = load_image(image(tmp_path, "three", "  type: frr\n  visibility: public\n  from: ../two\n" + SECRET % "a"))
    course = course_of(Wish(spec, tmp_path / "three", inherited=inherited_privacy(spec, workshop)), None, workshop)
    assert course.privacy == Privacy(("/etc/a", "/etc/first"), "private")


def test_a_delivered_disk_keeps_its_private_files_in_the_next_image(tmp_path, workshop):
    disk = delivered(tmp_path, "one", private=["/etc/key"], visibility="private")
    spec = load_image(image(tmp_path, "two", f"  type: frr\n  from: {disk}\n"))
    assert inherited_privacy(spec, workshop) == Privacy(("/etc/key",), "private")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1M"], check=True)
    delivered_report(disk, private=["/etc/key"], visibility="private")
    steps = [one.step for one in plan_image(Wish(spec, tmp_path / "two"), workshop)]
    assert next(step for step in steps if step.name == "device").private, "it is kept in no store"


def test_a_report_about_another_disk_says_nothing_of_this_one(tmp_path, workshop):
    disk = delivered(tmp_path, "one", private=["/etc/key"], visibility="private")
    disk.write_bytes(b"another")
    spec = load_image(image(tmp_path, "two", f"  type: frr\n  from: {disk}\n"))
    assert inherited_privacy(spec, workshop) == Privacy()


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '"x"', "[" * 100_000, '{"private": 3}', '{"private": ["/x"]}', "\xff"]
)
def test_what_is_no_report_beside_a_disk_is_no_error(tmp_path, workshop, text):
    disk = delivered(tmp_path, "one")
    (tmp_path / "one.json").write_text(text, encoding="latin-1")
    spec = load_image(image(tmp_path, "two", f"  type: frr\n  from: {disk}\n"))
    assert inherited_privacy(spec, workshop) == Privacy()


def test_an_unchanged_image_that_is_now_private_says_so_in_its_report(tmp_path, workshop):
    spec = load_image(image(tmp_path, "one", "  type: linux\n" + SECRET % "key"))
    step = Step("customize", "x", lambda *_: None, private=True)
    disk = delivered(tmp_path, "one")
    report = json.loads((tmp_path / "one.json").read_text())
    report |= {"bytes": disk.stat().st_size, "steps": {"customize": {"key": key_of(step, {}), "digest": "x"}}}
    (tmp_path / "one.json").write_text(json.dumps(report))
    course = Course((step,), "customize", privacy=Privacy(("/etc/key",), "private"))
    assert unchanged(course, spec, tmp_path, workshop) == places(spec, course, tmp_path)
    told = json.loads((tmp_path / "one.json").read_text())
    assert (told["private"], told["visibility"]) == (["/etc/key"], "private")
    assert {key: told[key] for key in report} == report
