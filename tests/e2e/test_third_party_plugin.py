"""A third party publishes a wheel with a distribution of its own, and nothing in this repository changes.

The distribution is real: BusyBox on our kernel, from power-on to a login prompt.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "labwright-busybox"
version = "1.0"
dependencies = ["labwright-debian"]

[project.entry-points."labwright.bootstrappers"]
busybox = "labwright_busybox:BusyBoxBootstrapper"
"""

DRIVER = '''\
"""BusyBox for labwright: Debian's static binary and kernel, and an init of four lines."""

import shutil
from pathlib import Path

from labwright.interfaces import Distribution, Release
from labwright_debian import DebianBootstrapper
from labwright_debian.fetch import fetch, newest


class BusyBoxBootstrapper(DebianBootstrapper):
    distribution = Distribution(
        title="BusyBox", releases=(Release("bookworm", "linux-source-6.1"),), default_release="bookworm",
        fragments=("debian",), packages=("busybox-static",), proof="login",
    )

    def make_tree(self, image, pins, destination, bench):
        busybox = [package for package in pins.packages if package.name == "busybox-static"]
        (package,) = fetch(busybox, pins, bench.scratch / "pool", bench)
        root = bench.scratch / "tree"
        bench.run(["dpkg-deb", "--extract", package, root])
        for name in ("sbin", "etc", "proc", "sys", "dev", "root", "tmp"):
            (root / name).mkdir(exist_ok=True)
        shutil.rmtree(root / "usr")
        for name in ("bin/sh", "bin/mount", "sbin/init", "sbin/getty", "bin/login"):
            (root / name).symlink_to("/bin/busybox")
        (root / "etc/inittab").write_text(
            "::sysinit:/bin/mount -t proc proc /proc\\nttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100\\n"
        )
        (root / "etc/passwd").write_text("root::0:0:root:/root:/bin/sh\\n")
        bench.run(["tar", "--create", "--file", destination, "--directory", root, "--owner=0", "--group=0", "."])
        return bench.source_date_epoch or newest([package])

    def finish_tree(self, image, tree, kernel_package, bench):
        bench.run(["dpkg-deb", "--extract", kernel_package, tree])
'''


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    source, site = tmp_path / "source", tmp_path / "site"
    (source / "labwright_busybox").mkdir(parents=True)
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "labwright_busybox/__init__.py").write_text(DRIVER)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, source], check=True)
    wheel = next(tmp_path.glob("labwright_busybox-1.0-*.whl"))
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


def test_a_wheel_beside_ours_is_listed_and_used(cli, installed, tmp_path):
    listed = {plugin["type"]: plugin for plugin in json.loads(cli("plugins", "list", "--json").stdout)}
    assert listed["busybox"]["package"] == "labwright-busybox"
    assert listed["busybox"]["health"] == "ready"
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "image.meta.yaml").write_text(
        "slug: tiny\ndescription: BusyBox\nbuild:\n  type: busybox\n  diskSize: 1\n"
    )
    done = cli("build", folder, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "out/tiny.json").read_text())
    assert {name: boot["login"] > 0 for name, boot in report["tests"]["boots"].items()} == {
        "bios": True,
        "uefi": True,
        "direct": True,
    }
