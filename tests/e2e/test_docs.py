"""Every labwright command in the docs works as it stands there, in the order in which it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import disks

REPOSITORY = Path(__file__).parents[2]
COMMAND = re.compile(r"^    (?:sudo )?\.venv/bin/labwright (.+)$", re.MULTILINE)
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")
PAGES = ("get-started.md", "write-an-image.md", "kernel.md", "reliability.md", "convert.md")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("docs")
    shutil.copytree(REPOSITORY / "images", place / "images")
    # A stand-in for Firecracker's file, which is not ours to ship: four options in its form.
    (place / "firecracker.config").write_text(
        "CONFIG_EXT4_FS=y\nCONFIG_VIRTIO_NET=y\nCONFIG_XFS_FS=y\nCONFIG_NR_CPUS=8\n"
    )
    # What the page on images from outside names.
    made = place / "foreign"
    made.mkdir()
    raw = disks.raw_disk(made)
    disks.WRAPPERS["xz"](raw).rename(place / "router.img.xz")
    disks.appliance(disks.converted(raw, made, "vmdk-stream")).rename(place / "firewall.ova")
    return place


def commands() -> list[str]:
    return [line for page in PAGES for line in COMMAND.findall((REPOSITORY / "docs" / page).read_text())]


def test_the_docs_have_commands():
    assert len(commands()) > 8


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_docs_works(folder, line):
    line, _, target = line.partition(" > ")
    done = subprocess.run(
        [sys.executable, "-m", "labwright", *shlex.split(line)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout
    if target:
        (folder / target.strip()).write_text(done.stdout)
