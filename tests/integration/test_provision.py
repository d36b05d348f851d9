"""Disks that cannot be provisioned as they are, and playbooks that fail: what is said, and what is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.builds import command, leaks, loop_devices, start
from support.disks import image_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts disks")


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A small Debian: no kernel, no Python, no sudo, no sshd."""
    place = tmp_path_factory.mktemp("tree") / "root"
    subprocess.run(["mmdebstrap", "--variant=minbase", "--quiet", "bookworm", place], check=True)
    return place


def make_disk(tree: Path, disk: Path, size: str = "600M", *features: str) -> Path:
    """A whole-disk ext4 of a tree. Its boot sector is a stand-in: nothing here boots it."""
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, *features, disk, size], check=True)
    with disk.open("r+b") as stream:
        stream.write(b"\xeb\xfe")
    return disk


@pytest.fixture(scope="module")
def disk(tree, tmp_path_factory) -> Path:
    return make_disk(tree, tmp_path_factory.mktemp("disk") / "small.raw")


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_other_file_systems_are_entered_too(cli, tree, tmp_path, kind):
    disk, point = tmp_path / f"{kind}.raw", tmp_path / "point"
    with disk.open("wb") as stream:
        stream.truncate(700 << 20)
    subprocess.run([f"mkfs.{kind}", "-q", disk], check=True)
    point.mkdir()
    copy = f"mount -o loop {disk} {point} && cp -a {tree}/. {point}/ && umount {point}"
    subprocess.run(["unshare", "--mount", "sh", "-c", copy], check=True)
    table = tmp_path / "disk.raw"
    with table.open("wb") as stream:
        stream.write(b"\xeb\xfe")
        stream.truncate(720 << 20)
    subprocess.run(["sfdisk", "-q", table], input="label: dos\nstart=2048, bootable\n", text=True, check=True)
    subprocess.run(
        ["dd", f"if={disk}", f"of={table}", "seek=1", "bs=1M", "conv=notrunc,sparse", "status=none"], check=True
    )
    done = build(cli, image_folder(tmp_path, kind, table))
    assert done.returncode == 0, done.stdout + done.stderr
    assert leaks(Path(os.environ["LABWRIGHT_CACHE"])) == []


def changed(tree: Path, folder: Path) -> Path:
    """A copy of the tree to change."""
    copy = folder / "changed"
    subprocess.run(["cp", "-a", tree, copy], check=True)
    return copy


def build(cli, folder: Path, *words: str, until: str = "base"):
    return cli("build", folder, "--method", "mounted", "--until", until, "--out", folder.parent / "out", *words)


def test_an_image_without_python_sudo_and_sshd_gets_them(cli, disk, tmp_path):
    before = disk.read_bytes()
    done = build(cli, image_folder(tmp_path, "plain", disk))
    assert done.returncode == 0, done.stdout + done.stderr
    assert disk.read_bytes() == before
    assert leaks(Path(os.environ["LABWRIGHT_CACHE"])) == []


def test_a_disk_that_is_full_says_how_to_make_it_larger_and_then_goes(cli, tree, tmp_path):
    small = make_disk(tree, tmp_path / "full.raw", "330M", "-m", "0")
    folder = image_folder(tmp_path, "full", small)
    done = build(cli, folder)
    assert done.returncode == 7, done.stdout + done.stderr
    assert "build.diskSize" in done.stderr
    assert leaks(Path(os.environ["LABWRIGHT_CACHE"])) == []
    done = build(cli, image_folder(tmp_path, "full", small, diskSize=1))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_read_only_file_system_is_said_to_be_one(cli, tree, tmp_path):
    disk = make_disk(tree, tmp_path / "ro.raw")
    subprocess.run(["tune2fs", "-O", "read-only", disk], check=True, capture_output=True)
    done = build(cli, image_folder(tmp_path, "ro", disk))
    assert done.returncode == 7, done.stdout + done.stderr
    assert "read-only" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_an_unknown_distribution_is_named(cli, tree, tmp_path):
    other = changed(tree, tmp_path)
    (other / "usr/lib/os-release").write_text('ID=plan9\nPRETTY_NAME="Plan 9 \x1b[31m from Bell Labs"\n')
    done = build(cli, image_folder(tmp_path, "plan", make_disk(other, tmp_path / "p.raw"), type="linux"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Plan 9 [31m from Bell Labs" in done.stderr
    assert "\x1b[31m" not in done.stderr


def test_two_systems_on_one_disk_have_to_be_told_apart(cli, tree, tmp_path):
    one = make_disk(tree, tmp_path / "one.raw")
    two = tmp_path / "two.raw"
    with two.open("wb") as stream:
        stream.truncate(1400 << 20)
    table = "label: gpt\nstart=2048, size=1228800\nstart=1433600, size=1228800\n"
    subprocess.run(["sfdisk", "-q", two], input=table, text=True, check=True)
    for sector in (2048, 1433600):
        subprocess.run(["dd", f"if={one}", f"of={two}", f"seek={sector * 512}", "oflag=seek_bytes", "bs=1M",
                        "conv=notrunc,sparse", "status=none"], check=True)  # fmt: skip
    with two.open("r+b") as stream:
        stream.write(b"\xeb\xfe")
    done = build(cli, image_folder(tmp_path, "two", two))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "partition 1: Debian" in done.stderr
    assert "partition 2: Debian" in done.stderr
    assert "build.partition" in done.stderr
    done = build(cli, image_folder(tmp_path, "two", two, partition=2))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_disk_with_no_system_is_refused(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    disk = make_disk(tmp_path / "empty", tmp_path / "data.raw", "40M")
    done = build(cli, image_folder(tmp_path, "data", disk))
    assert done.returncode == 2
    assert "no operating system is on the disk" in done.stderr


@pytest.mark.parametrize("place", ["proc", "tmp", "dev"])
def test_a_tree_whose_folders_lead_out_of_it_is_not_entered(cli, tree, tmp_path, place):
    other = changed(tree, tmp_path)
    shutil.rmtree(other / place)
    (other / place).symlink_to("/etc")
    done = build(cli, image_folder(tmp_path, "trap", make_disk(other, tmp_path / "t.raw")))
    assert done.returncode == 7, done.stdout + done.stderr
    assert f"/{place} is no folder" in done.stderr
    assert leaks(Path(os.environ["LABWRIGHT_CACHE"])) == []


def test_a_disk_that_nobody_vouches_for_is_not_entered_on_this_host_by_itself(cli, disk, tmp_path):
    plan = json.loads(cli("plan", image_folder(tmp_path, "doubt", disk), "--json").stdout)
    assert "build.sha256 does not vouch" in plan["way"]["why"]
    assert plan["way"]["method"] == "appliance"


def test_another_disk_than_the_one_vouched_for_is_refused(cli, disk, tmp_path):
    done = build(cli, image_folder(tmp_path, "other", disk, sha256="0" * 64))
    assert done.returncode == 5
    assert "is not the file that build.sha256 vouches for" in done.stderr


def test_the_login_holds_whatever_the_image_says_of_ssh(cli, tree, tmp_path):
    """Drop-ins, a Match block, lists of users, another port, a required key: put out of force, and still to be read."""
    other = changed(tree, tmp_path)
    drop = other / "etc/ssh/sshd_config.d"
    drop.mkdir(parents=True)
    (drop / "50-cloud-init.conf").write_text("PasswordAuthentication no\n")
    (drop / "99-hard.conf").write_text(
        "AllowUsers nobody\nPort 2022\nAuthenticationMethods publickey\n"
        "Match User antidote\n  PasswordAuthentication no\n"
    )
    folder = image_folder(tmp_path, "hard", make_disk(other, tmp_path / "h.raw"), playbook="look.yml")
    (folder / "look.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.raw: mkdir -p /run/sshd; ssh-keygen -A >/dev/null;"
        " /usr/sbin/sshd -T -C user=antidote,host=x,addr=10.0.2.2\n      register: said\n"
        "    - ansible.builtin.assert:\n        that:\n"
        "          - \"'passwordauthentication yes' in said.stdout\"\n"
        "          - \"'port 22\\n' in said.stdout or 'port 22\\r' in said.stdout\"\n"
        "          - \"'allowusers' not in said.stdout\"\n"
    )
    done = build(cli, folder, until="customize")
    assert done.returncode == 0, done.stdout + done.stderr


def failing(tmp_path: Path, disk: Path) -> Path:
    folder = image_folder(tmp_path, "half", disk, playbook="play.yml")
    (folder / "play.yml").write_text(
        "- hosts: all\n  tasks:\n"
        "    - name: This one works\n      ansible.builtin.copy: {content: done, dest: /etc/first}\n"
        "    - name: This one does not\n      ansible.builtin.command: /no/such/program\n"
    )
    return folder


def test_a_playbook_that_fails_half_way_can_be_looked_at_and_gone_on_with(cli, disk, tmp_path):
    before = disk.stat().st_mtime_ns
    folder = failing(tmp_path, disk)
    done = build(cli, folder, "--keep", until="customize")
    assert done.returncode == 7, done.stdout + done.stderr
    assert "at the task 'This one does not'" in done.stderr
    assert "/no/such/program" in done.stderr
    assert disk.stat().st_mtime_ns == before
    kept = tmp_path / "out/half.failed.raw"
    assert str(kept) in done.stderr
    assert kept.stat().st_mode & 0o777 == 0o600
    looked = cli("enter", kept, "cat", "/etc/first")
    assert looked.returncode == 0, looked.stderr
    assert looked.stdout.startswith("done")
    (folder / "play.yml").write_text((folder / "play.yml").read_text().replace("/no/such/program", "/bin/true"))
    again = build(cli, folder, "--json", until="customize")
    events = [json.loads(line) for line in again.stdout.splitlines()]
    assert again.returncode == 0, again.stdout
    outcomes = {event["step"]: event["outcome"] for event in events if event.get("outcome")}
    assert outcomes == {"base": "cached", "customize": "ran"}
    assert leaks(Path(os.environ["LABWRIGHT_CACHE"])) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_build_that_is_ended_in_the_middle_of_a_playbook_leaves_nothing(disk, tmp_path, number):
    """The task's own process, the tree's mounts, the loop device, the socket's folder; the next build goes on."""
    cache = Path(os.environ["LABWRIGHT_CACHE"])
    folder = image_folder(tmp_path, "ended", disk, playbook="play.yml")
    (folder / "play.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: Wait\n      ansible.builtin.raw: exec sleep 7391\n"
    )
    words = ("build", folder, "--method", "mounted", "--until", "customize", "--out", tmp_path / "out")
    with start(*words, "--json", cache=cache) as running:
        assert running.stdout is not None
        assert any('"Wait"' in line for line in running.stdout), running.communicate()
        time.sleep(1)
        running.send_signal(number)
        said, complaints = running.communicate(timeout=60)
    assert running.returncode in {-9, 130}, said + complaints
    if number == signal.SIGKILL:
        assert command("clean", cache=cache).returncode == 0
    assert leaks(cache) == []
    assert loop_devices(tmp_path) == set()
    wait_until_gone("sleep 7391")
    (folder / "play.yml").write_text("- hosts: all\n  gather_facts: false\n  tasks: []\n")
    assert command(*words, cache=cache).returncode == 0


def wait_until_gone(command_line: str) -> None:
    """A process that was killed with its namespace takes a moment."""
    for _ in range(50):
        lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
        if command_line not in lines:
            return
        time.sleep(0.1)
    raise AssertionError(f"{command_line} still runs")


@pytest.mark.parametrize(
    ("build_keys", "said"),
    [
        ({"playbook": "none.yml"}, "there is no file none.yml"),
        ({"pre": ["../x.sh"]}, "is not the path of a file below this folder"),
        ({"privateFiles": [{"from": "hunter2", "path": "/x"}]}, "a secret is named, not written here"),
        ({"privateFiles": [{"from": "env:LABWRIGHT_NO_SUCH", "path": "/x"}]}, "LABWRIGHT_NO_SUCH is not set"),
        ({"privateFiles": [{"from": "file:/no/such/licence", "path": "/x"}]}, "/no/such/licence cannot be read"),
        ({"privateFiles": [{"from": "env:HOME", "path": "/x/../y"}]}, "an absolute path without"),
        ({"privateFiles": [{"from": "env:HOME", "path": "/x", "mode": "rw"}]}, "privateFiles.0.mode"),
        ({"from": "no-such.qcow2"}, "there is no file"),
        ({"diskSize": 1, "sha256": "xyz"}, "build.sha256"),
    ],
)
def test_a_mistake_in_the_description_is_named_with_its_remedy(cli, disk, tmp_path, build_keys, said):
    done = build(cli, image_folder(tmp_path, "wrong", disk, **build_keys))
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "hunter2" not in done.stderr


def test_a_private_file_inside_the_image_s_folder_is_refused(cli, disk, tmp_path):
    folder = image_folder(tmp_path, "open", disk)
    (folder / "licence").write_text("x")
    image_folder(tmp_path, "open", disk, privateFiles=[{"from": f"file:{folder}/licence", "path": "/x"}])
    done = build(cli, folder)
    assert done.returncode == 2
    assert "is in the image's folder, which is published" in done.stderr
