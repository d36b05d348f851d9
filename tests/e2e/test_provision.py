"""Stage 2: a disk of ours, provisioned by every way in, booted, logged in to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.builds import REPOSITORY, leaks, users_cache
from support.disks import facts, image_folder, read_file
from support.users import as_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")
SECRET = "licence-4f1d9a7e-never-to-be-seen"
PLAYBOOK = """
- hosts: all
  tasks:
    - name: A user of the lesson
      ansible.builtin.user: {name: bob, uid: 4242}
    - name: What the lesson reads
      ansible.builtin.copy:
        content: "{{ ansible_facts['distribution'] }} {{ lookup('ansible.builtin.file', 'word.txt') }}"
        dest: /etc/lesson
        mode: "0640"
"""
TEST = """
set -e
test "$(id -un)" = antidote
test "$(sudo -n cat /etc/lesson)" = "Debian word"
test "$(cat /etc/before-and-after)" = "pre post"
id bob
curl --version >/dev/null
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    """The debian image of stage 1, as somebody else would get it: a file."""
    out = tmp_path_factory.mktemp("ours")
    subprocess.run(
        [sys.executable, "-m", "labwright", "build", "images/debian", "--out", out], check=True, cwd=REPOSITORY,
        capture_output=True, env=os.environ | {"LABWRIGHT_CACHE": str(users_cache())},
    )  # fmt: skip
    return out / "debian.qcow2"


def lesson(parent: Path, source: Path) -> Path:
    folder = image_folder(
        parent, "lesson", source, packages=["curl"], playbook="play.yml", pre=["pre.sh"], post=["post.sh"]
    )
    (folder / "play.yml").write_text(PLAYBOOK)
    (folder / "files").mkdir(exist_ok=True)
    (folder / "files/word.txt").write_text("word\n")
    (folder / "pre.sh").write_text("printf pre > /etc/before-and-after\n")
    (folder / "post.sh").write_text("printf ' post' >> /etc/before-and-after\n")
    (folder / "test.sh").write_text(TEST)
    return folder


@pytest.mark.timeout(2400)
def test_every_way_in_gives_the_same_image(cli, ours, somebody, repository, tmp_path, monkeypatch):
    """Mounted, booted, and the appliance, by an ordinary user: one list of packages, users, rules and files."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("LABWRIGHT_CACHE", str(cache))
    folder = lesson(tmp_path, ours)
    found = {}
    for method in ("mounted", "booted"):
        done = cli("build", folder, "--method", method, "--until", "customize", "--out", tmp_path / method, "--json")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        found[method] = facts(customized(cache) / "disk.qcow2", tmp_path / f"look-{method}")
    home = Path(somebody.pw_dir)
    shutil.copy(ours, home / "debian.qcow2")
    folder = lesson(home, home / "debian.qcow2")
    subprocess.run(["chown", "--recursive", f"{somebody.pw_uid}:{somebody.pw_gid}", home], check=True)
    done = as_user(
        somebody, repository, "build", folder, "--until", "customize", "--out", home / "out", cache=home / "c"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = customized(home / "c")
    assert json.loads((made / "manifest.json").read_text())["inputs"]["method"] == "appliance"
    found["appliance"] = facts(made / "disk.qcow2", tmp_path / "look-appliance")
    assert "curl" in {line.split("\t")[0] for line in found["mounted"]["packages"]}
    assert any(line.startswith("bob:x:4242:") for line in found["mounted"]["users"])
    assert "/etc/lesson f 640 root root " in found["mounted"]["files"]
    assert found["mounted"]["identity"] == []
    for method in ("appliance", "booted"):
        for kind, lines in found["mounted"].items():
            assert sorted(set(lines) ^ set(found[method][kind])) == [], (method, kind)
    assert leaks(cache) == leaks(home / "c") == []


def customized(cache: Path) -> Path:
    """The newest result of the step."""
    return max((cache / "store/customize").iterdir(), key=lambda path: path.stat().st_mtime)


def test_an_image_of_ours_is_provisioned_booted_and_tested(cli, ours, tmp_path):
    folder = lesson(tmp_path, ours)
    text = (folder / "image.meta.yaml").read_text()
    digest = json.loads(ours.with_suffix(".json").read_text())["sha256"]
    (folder / "image.meta.yaml").write_text(text.replace('"from"', f'"sha256": "{digest}", "from"'))
    done = cli("build", folder, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    report = json.loads((tmp_path / "out/lesson.json").read_text())
    assert set(report["tests"]["boots"]) == {"bios", "uefi"}
    assert report["tests"]["boots"]["bios"]["script"] is True
    assert report["steps"]["base"]["inputs"]["method"] == "mounted"
    clones = report["tests"]["clones"]
    assert clones["first"]["machine_id"] != clones["second"]["machine_id"]
    again = cli("build", folder, "--out", tmp_path / "out", "--json")
    outcomes = [json.loads(line).get("outcome") for line in again.stdout.splitlines()]
    assert [outcome for outcome in outcomes if outcome] == ["cached"] * 3


def test_a_private_file_arrives_and_is_nowhere_else(cli, ours, tmp_path, monkeypatch):
    """The content is looked for in the cache, the logs, the output folder's reports and everything that is printed."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("LABWRIGHT_CACHE", str(cache))
    licence = tmp_path / "licence"
    licence.write_text(SECRET)
    licence.chmod(0o600)
    private = [{"from": f"file:{licence}", "path": "/opt/vendor/licence.key", "owner": "antidote", "mode": "0440"}]
    folder = image_folder(tmp_path, "licensed", ours, privateFiles=private)
    words = ("build", folder, "--method", "mounted", "--out", tmp_path / "out", "--json")
    done = cli(*words)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    found = facts(tmp_path / "out/licensed.qcow2", tmp_path / "look")
    assert "/opt/vendor/licence.key f 440 antidote root " in found["files"]
    assert read_file(tmp_path / "out/licensed.qcow2", "/opt/vendor/licence.key", tmp_path / "look") == SECRET.encode()
    again = cli(*words)
    assert again.returncode == 0
    assert "step-started" not in again.stdout, "what an earlier build delivered stands for it"
    assert SECRET not in done.stdout + done.stderr + again.stdout + again.stderr
    seen = [path for path in (*cache.rglob("*"), *(tmp_path / "out").glob("*.json")) if path.is_file()]
    newer = [path for path in seen if path.stat().st_mtime >= licence.stat().st_mtime]
    assert newer
    for path in newer:
        if path.name == "disk.qcow2":
            assert SECRET.encode() not in raw_bytes(path, tmp_path / "raw")
        assert SECRET.encode() not in path.read_bytes(), path
    assert leaks(cache) == []


def raw_bytes(image: Path, folder: Path) -> bytes:
    """The whole disk, unpacked."""
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, folder], check=True)
    data = folder.read_bytes()
    folder.unlink()
    return data
