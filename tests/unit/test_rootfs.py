"""The scripts of every image, run by the host's shell on a stand-in for sysfs, with a stand-in for ip."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from labwright.finish.machine import ROOTFS

SCRIPTS = ROOTFS / "usr/lib/labwright"
PCI, PLATFORM = "sys/bus/pci/devices", "sys/bus/platform/devices"


def name_interfaces(root: Path, interfaces: dict[str, str], wanted: list[str]) -> dict[str, str]:
    """Which name each interface has afterwards. interfaces: the folder of the device, by name."""
    script = root / "script"
    text = (SCRIPTS / "name-interfaces").read_text()
    script.write_text(text.replace("/sys/", f"{root}/sys/").replace("/etc/", f"{root}/etc/"))
    for name, device in interfaces.items():
        place = root / device / "net" / name
        place.mkdir(parents=True)
        (place / "device").symlink_to("..")
    (root / "etc/labwright").mkdir(parents=True)
    (root / "etc/labwright/interfaces").write_text("".join(f"{name}\n" for name in wanted))
    stub = root / "bin/ip"
    stub.parent.mkdir()
    stub.write_text(f"#!/bin/sh\ncat > {root}/batch\n")
    stub.chmod(0o755)
    subprocess.run(["sh", script], check=True, env={"PATH": f"{root}/bin:/usr/bin:/bin"})
    names = {name: name for name in interfaces}
    if (root / "batch").exists():
        for words in map(str.split, (root / "batch").read_text().splitlines()):
            if words[4] == "name":
                assert words[5] not in names.values(), "ip would say that the name is taken"
                names[next(first for first, now in names.items() if now == words[3])] = words[5]
    return names


@pytest.mark.parametrize(
    ("interfaces", "wanted", "names"),
    [
        # The kernel found them in the order of the bus, and they are called as they should be.
        ({"eth0": f"{PCI}/0000:00:04.0/virtio0", "eth1": f"{PCI}/0000:00:05.0/virtio1"}, ["eth0", "eth1"],
         {"eth0": "eth0", "eth1": "eth1"}),
        ({"eth0": f"{PCI}/0000:00:05.0/virtio1", "eth1": f"{PCI}/0000:00:04.0/virtio0"}, ["eth0", "eth1"],
         {"eth0": "eth1", "eth1": "eth0"}),
        # More interfaces than names, a bus behind a bridge, a card that is no virtio one, hexadecimal slots.
        ({"eth0": f"{PCI}/0000:01:00.0/virtio3", "eth1": f"{PCI}/0000:00:1f.6", "eth2": f"{PCI}/0000:00:0a.0/virtio1"},
         ["eth0", "swp1"], {"eth2": "eth0", "eth1": "swp1", "eth0": "eth2"}),
        # Memory-mapped devices come after PCI, and 10 after 9.
        ({"eth0": f"{PLATFORM}/virtio-mmio.10/virtio1", "eth1": f"{PLATFORM}/virtio-mmio.9/virtio0"}, ["eth0", "a"],
         {"eth1": "eth0", "eth0": "a"}),
        ({"eth0": f"{PLATFORM}/LNRO0005:01/virtio1", "eth1": f"{PCI}/0000:00:04.0/virtio0"}, ["eth0", "a"],
         {"eth1": "eth0", "eth0": "a"}),
        ({}, ["eth0"], {}),
    ],
)  # fmt: skip
def test_interfaces_are_named_by_their_place_on_the_bus(tmp_path, interfaces, wanted, names):
    assert name_interfaces(tmp_path, interfaces, wanted) == names


def test_the_scripts_start_no_program_before_they_have_to():
    """Each one costs an emulated processor a twentieth of a second of every boot."""
    text = (SCRIPTS / "name-interfaces").read_text()
    assert not [line for line in text.splitlines() if "$(" in line.replace("$((", "") and not line.startswith("#")]


@pytest.mark.parametrize(
    ("tags", "mounted"),
    [
        (["antidote"], "antidote"),
        (["other", "hostshare"], "hostshare"),
        # A machine with a folder that is not the lesson's boots all the same.
        (["other"], ""),
    ],
)
def test_the_lessons_folder_is_mounted_by_its_tag(tmp_path, tags, mounted):
    for index, tag in enumerate(tags):
        device = tmp_path / f"sys/bus/virtio/drivers/9pnet_virtio/virtio{index}"
        device.mkdir(parents=True)
        (device / "mount_tag").write_bytes(tag.encode() + b"\0")
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin/mount"
    stub.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/mounted\n')
    stub.chmod(0o755)
    script = tmp_path / "script"
    script.write_text((SCRIPTS / "mount-lesson").read_text().replace("/sys/", f"{tmp_path}/sys/"))
    subprocess.run(["sh", script], check=True, env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}, capture_output=True)
    said = (tmp_path / "mounted").read_text().split() if (tmp_path / "mounted").exists() else []
    assert said[-2:] == ([mounted, "/antidote"] if mounted else [])
