"""Every labwright command in the docs works as it stands there, in the order in which it stands."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import formats
from support.builds import USERS_CACHE
from support.docs import commands_of

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")
PAGES = ("get-started.md", "write-an-image.md", "kernel.md", "reliability.md", "convert.md", "provision.md", "nos.md")


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
    raw = formats.raw_disk(made)
    formats.WRAPPERS["xz"](raw).rename(place / "router.img.xz")
    # A stand-in for a vendor's appliance: our own Debian in one.
    words = [sys.executable, "-m", "labwright", "build", "images/debian", "--until", "disk", "--json"]
    subprocess.run(words, cwd=place, check=True, capture_output=True)
    subprocess.run(["qemu-img", "convert", "-O", "raw", newest_disk("debian"), raw], check=True)
    formats.appliance(formats.converted(raw, made, "vmdk-stream")).rename(place / "firewall.ova")
    provisioned(place / "firewall", place / "firewall.ova")
    return place


def newest_disk(slug: str) -> Path:
    """The newest disk of an image in the cache, which tests beside these fill too."""

    def made(step: str) -> list[tuple[float, Path, dict]]:
        files = Path(USERS_CACHE, "store", step).glob("*/manifest.json")
        return [(path.stat().st_mtime, path.parent, json.loads(path.read_text())) for path in files]

    systems = {facts["digest"] for _, _, facts in made("system") if facts["inputs"]["slug"] == slug}
    disks = [one for one in made("disk") if one[2]["inputs"]["step system"] in systems]
    return max(disks, key=lambda one: one[0])[1] / "disk.qcow2"


def provisioned(image: Path, source: Path) -> None:
    """The folder of the page on provisioning, with the page's own text."""
    image.mkdir()
    page = (REPOSITORY / "docs/provision.md").read_text()
    text = "".join(f"{line[4:]}\n" for line in page[page.index("    slug:") :].partition("\n\n")[0].splitlines())
    licence = image.parent / "firewall.key"
    licence.write_text("a licence")
    text = text.replace("/srv/disks/firewall.ova", str(source)).replace("~/licences/firewall.key", str(licence))
    text = text.replace("5f0c...", hashlib.sha256(source.read_bytes()).hexdigest())
    (image / "image.meta.yaml").write_text(text)
    (image / "playbook.yml").write_text("- hosts: all\n  tasks:\n    - ansible.builtin.ping:\n")
    for name in ("pre.sh", "post.sh"):
        (image / name).write_text("true\n")


def commands() -> list[str]:
    return [line for page in PAGES for line in commands_of(page)]


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
