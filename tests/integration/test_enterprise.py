"""The Enterprise Linux family, on a stand-in (tests/support/enterprise.py): virt-customize and the mounted way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.builds import leaks
from support.disks import facts, image_folder
from support.enterprise import make_stand_in

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts disks")


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("enterprise")
    make_stand_in(folder, folder / "stand-in.raw")
    return folder / "stand-in.raw"


@pytest.mark.timeout(1800)
def test_virt_customize_and_a_mount_make_the_same_of_the_stand_in(cli, stand_in, tmp_path):
    folder = image_folder(tmp_path, "centos", stand_in, type="centos", packages=["tcpdump"])
    plan = json.loads(cli("plan", folder, "--json").stdout)
    assert plan["way"]["method"] == "virt-customize"
    found = {}
    for method in ("auto", "mounted"):
        done = cli("build", folder, "--method", method, "--until", "base", "--out", tmp_path / "out")
        assert done.returncode == 0, done.stdout + done.stderr
        made = max(
            (Path(os.environ["LABWRIGHT_CACHE"]) / "store/base").iterdir(), key=lambda path: path.stat().st_mtime
        )
        found[method] = facts(made / "disk.qcow2", tmp_path / method, "rpm --query --all | sort")
    for facts_of_one in found.values():
        # How far SQLite had got with its log is chance.
        facts_of_one["files"] = [line for line in facts_of_one["files"] if not line.startswith("/var/lib/rpm/")]
    assert found["auto"] == found["mounted"]
    assert {line.rpartition("-1-1")[0] for line in found["auto"]["packages"]} >= {"openssh-server", "sudo", "tcpdump"}
    assert "/.autorelabel f 644 root root " in found["auto"]["files"]
    assert any(line.startswith("wheel:") and line.endswith("antidote") for line in found["auto"]["groups"])
    assert any("multi-user.target.wants/sshd.service" in line for line in found["auto"]["files"])
    assert not any("labwright-host-keys" in line for line in found["auto"]["files"])
    assert found["auto"]["identity"] == []
    assert leaks(Path(os.environ["LABWRIGHT_CACHE"])) == []


def test_a_playbook_is_not_what_virt_customize_runs(cli, stand_in, tmp_path):
    folder = image_folder(tmp_path, "centos", stand_in, type="centos", playbook="play.yml")
    (folder / "play.yml").write_text("- hosts: all\n  tasks: []\n")
    done = cli("build", folder, "--method", "virt-customize", "--until", "customize", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "virt-customize runs no playbook" in done.stderr
    plan = json.loads(cli("plan", folder, "--json").stdout)
    assert plan["way"]["method"] == "appliance"
