"""A disk with files for a device's first start holds what the profile says, where the device looks for it."""

from __future__ import annotations

import subprocess

import pytest

from labwright.spec.hardware import ConfigDisk
from labwright_nos.config_disk import make_config_disk

FILES = {"juniper.conf": "host-name {{ hostname }};\n", "config/init.cfg": "x\n"}


@pytest.mark.parametrize("kind", ["iso", "fat"])
def test_the_files_are_on_the_disk_with_their_values(bench, kind):
    disk = ConfigDisk(format=kind, label="config", files=FILES)
    image = make_config_disk(disk, lambda text: text.replace("{{ hostname }}", "leaf"), bench.scratch, bench)
    if kind == "iso":
        read = ["isoinfo", "-J", "-x", "/juniper.conf", "-i", image]
        listed = subprocess.run(["isoinfo", "-d", "-i", image], capture_output=True, text=True, check=True).stdout
    else:
        read = ["mtype", "-i", image, "::/juniper.conf"]
        listed = subprocess.run(["mdir", "-i", image, "::/config"], capture_output=True, text=True, check=True).stdout
    assert subprocess.run(read, capture_output=True, text=True, check=True).stdout == "host-name leaf;\n"
    assert ("Volume id: config" in listed) if kind == "iso" else ("init" in listed)
    assert image.stat().st_mode & 0o077 == 0, "a password in it is for nobody else to read"
