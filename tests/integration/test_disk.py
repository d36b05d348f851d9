"""A disk image from a tree with real tools: it holds together, it is the same twice, and hostile images are refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from labwright.disk.assemble import DiskOptions, assemble
from labwright.errors import LabwrightError
from labwright.foreign.inspect import inspect_image
from labwright.host.files import file_digest

OPTIONS = DiskOptions("seed", 1, 1_700_000_000)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A stand-in for a system: a text file for a kernel. It is not booted."""
    root = tmp_path / "tree"
    for folder in ("boot", "sbin", "etc"):
        (root / folder).mkdir(parents=True)
    (root / "boot/vmlinuz-6.1-stand-in").write_text("stand-in for a kernel")
    (root / "boot/vmlinuz").symlink_to("vmlinuz-6.1-stand-in")
    (root / "sbin/init").write_text("stand-in for an init")
    (root / "etc/hostname").write_text("lab\n")
    return root


def test_the_image_holds_together(tree, bench, tmp_path):
    image = tmp_path / "disk.qcow2"
    assemble(tree, image, OPTIONS, bench)
    subprocess.run(["qemu-img", "check", "-q", image], check=True)
    raw = tmp_path / "disk.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, raw], check=True)
    table = json.loads(subprocess.check_output(["sfdisk", "--json", raw]))["partitiontable"]
    assert [part["name"] for part in table["partitions"]] == ["bios", "esp", "root"]
    root = table["partitions"][2]
    partition = tmp_path / "root.ext4"
    with raw.open("rb") as source:
        source.seek(root["start"] * 512)
        partition.write_bytes(source.read(root["size"] * 512))
    subprocess.run(["e2fsck", "-f", "-n", partition], check=True, capture_output=True)
    got = subprocess.check_output(["debugfs", "-R", "cat /etc/hostname", partition], stderr=subprocess.DEVNULL)
    assert got == b"lab\n"
    esp = table["partitions"][1]
    found = subprocess.check_output(["mdir", "-b", "-i", f"{raw}@@{esp['start'] * 512}", "::/EFI/BOOT"], text=True)
    assert "BOOTX64.EFI" in found


def test_the_same_tree_gives_the_same_bits(tree, bench, tmp_path):
    for name in ("one", "two"):
        assemble(tree, tmp_path / name, OPTIONS, bench)
        (tree / "etc/hostname").touch()
    assert file_digest(tmp_path / "one") == file_digest(tmp_path / "two")


def test_a_tree_without_a_kernel_is_refused_and_nothing_is_written(tree, bench, tmp_path):
    (tree / "boot/vmlinuz").unlink()
    with pytest.raises(LabwrightError, match="no kernel"):
        assemble(tree, tmp_path / "disk.qcow2", OPTIONS, bench)
    assert not (tmp_path / "disk.qcow2").exists()


def test_a_link_out_of_the_tree_is_not_followed(tree, bench, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tree / "boot/grub").symlink_to(outside)
    with pytest.raises(LabwrightError, match="symbolic link"):
        assemble(tree, tmp_path / "disk.qcow2", OPTIONS, bench)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("kind", ["backing", "raw"])
def test_a_hostile_image_is_refused_before_it_is_booted(cli, tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret" * 1000)
    hostile = tmp_path / "hostile.qcow2"
    if kind == "backing":
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, hostile], check=True)
    else:
        hostile.write_bytes(b"\0" * 65536)
    with pytest.raises(LabwrightError) as caught:
        inspect_image(hostile)
    assert caught.value.hint
    done = cli("test", hostile)
    assert done.returncode == caught.value.cause.exit_code
    assert "Traceback" not in done.stderr
    assert secret.exists()
