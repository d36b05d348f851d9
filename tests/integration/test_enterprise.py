"""A disk of the Enterprise Linux family that labwright did not make: virt-customize and the mounted way.

The disk is a stand-in (tests/support/standin): real rpm, dnf and packages of the family's names and shape, an SELinux
policy's files, Debian's programs; its boot sector does nothing, since it is provisioned and not booted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.builds import command, leaks
from support.disks import facts, image_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts disks")
DATABASE = ("/var/lib/rpm/", "/var/lib/dnf/")
REPOSITORY = """[{name}]
name={name}
baseurl=file:///srv/stand-in/{name}/x86_64/os
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-centosofficial
"""


@pytest.fixture(scope="module")
def disk(standin, tmp_path_factory) -> Path:
    """A raw disk with a tree, and in it the mirror that its dnf uses."""
    folder = tmp_path_factory.mktemp("enterprise")
    mirror = standin.flavour("9-stream")
    image = image_folder(folder, "centos", None, type="centos", mirror=f"file://{mirror}", keyring=str(standin.key),
                         packages=["selinux-policy-targeted"])  # fmt: skip
    cache = folder / "cache"
    done = command("build", image, "--until", "tree", "--out", folder / "out", cache=cache)
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = (cache / "store/tree").glob("*/tree.tar")
    tree = folder / "tree"
    tree.mkdir()
    subprocess.run(
        ["tar", "--extract", "--file", archive, "--directory", tree, "--numeric-owner", "--same-permissions",
         "--xattrs", "--xattrs-include=*"],
        check=True,
    )  # fmt: skip
    for vendors in (tree / "etc/yum.repos.d").glob("*.repo"):
        vendors.unlink()
    for name in ("BaseOS", "AppStream"):
        shutil.copytree(mirror / name / "x86_64", tree / "srv/stand-in" / name / "x86_64")
        (tree / f"etc/yum.repos.d/{name}.repo").write_text(REPOSITORY.format(name=name))
    made = folder / "stand-in.raw"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, made, "2G"], check=True)
    with made.open("r+b") as stream:
        stream.write(b"\xeb\xfe")
    return made


@pytest.mark.timeout(1800)
def test_virt_customize_and_a_mount_make_the_same_of_the_stand_in(cli, disk, tmp_path):
    folder = image_folder(tmp_path, "centos", disk, type="centos", packages=["tcpdump"])
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
        facts_of_one["files"] = [line for line in facts_of_one["files"] if not line.startswith(DATABASE)]
    for kind, lines in found["auto"].items():
        assert sorted(set(lines) ^ set(found["mounted"][kind])) == [], kind
    assert any(line.startswith("tcpdump-") for line in found["auto"]["packages"])
    assert "/.autorelabel f 644 root root " in found["auto"]["files"]
    assert any(line.startswith("wheel:") and line.endswith("antidote") for line in found["auto"]["groups"])
    assert any("multi-user.target.wants/sshd.service" in line for line in found["auto"]["files"])
    assert not any("labwright-host-keys" in line for line in found["auto"]["files"])
    assert found["auto"]["identity"] == []
    assert leaks(Path(os.environ["LABWRIGHT_CACHE"])) == []


def test_a_playbook_is_not_what_virt_customize_runs(cli, disk, tmp_path):
    folder = image_folder(tmp_path, "centos", disk, type="centos", playbook="play.yml")
    (folder / "play.yml").write_text("- hosts: all\n  tasks: []\n")
    done = cli("build", folder, "--method", "virt-customize", "--until", "customize", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "virt-customize runs no playbook" in done.stderr
    plan = json.loads(cli("plan", folder, "--json").stdout)
    assert plan["way"]["method"] == "appliance"
