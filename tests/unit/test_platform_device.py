"""What a container is told of its device, and the command line that its program makes of that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labwright.errors import LabwrightError
from labwright.publish.delivered import Delivered
from labwright.publish.platform.device import describe, hardware_of
from labwright.publish.platform.kind import check_count
from labwright.publish.platform.start.command import command
from labwright.publish.platform.start.settings import Device, Settings, Unusable, forwards, read_device
from labwright.publish.platform.start.wiring import Ends

ROUTER = {
    "machines": [
        {"name": "re", "memory": 1024, "model": "host,+vmx", "nic": "e1000", "board": "pc", "firmware": "bios",
         "disks": [{"name": "system", "bus": "ide"}, {"name": "config", "bus": "virtio"}],
         "nics": ["management", "link:inner"]},
        {"name": "pfe", "memory": 512, "model": "max", "nic": "virtio-net-pci", "board": "q35", "firmware": "uefi",
         "disks": [{"name": "fabric", "bus": "sata"}], "nics": ["unused", "link:inner", "data"]},
    ],
    "ports": {"ssh": 22, "netconf": 830, "grpc": 32767},
}  # fmt: skip
SIZES = {"system": 1 << 30, "config": 1 << 20, "fabric": 1 << 30}


def delivered(**facts: object) -> Delivered:
    return Delivered("router", Path("router.qcow2"), Path("router.json"), "0" * 64, facts)


def device_of(tmp_path: Path, **facts: object) -> Device:
    one = delivered(**facts)
    place = tmp_path / "device.json"
    place.write_text(describe(one, hardware_of(one), SIZES))
    return read_device(place)


def lines(device: Device, accelerator: str = "tcg") -> list[str]:
    ends = Ends(3, {number: 10 + number for number in (1, 2)}, {"link:inner": [20, 21]})
    opened = forwards(device, Settings())
    return [
        " ".join(command(device, one, Settings(), ends, accelerator, Path("/w"), opened)) for one in device.machines
    ]


def test_a_device_of_two_machines_has_one_console_one_management_and_a_cable_between_them(tmp_path):
    engine, forwarding = lines(device_of(tmp_path, hardware=ROUTER, interfaces=["management", "ge-0/0/0", "ge-0/0/1"]))
    assert "-serial chardev:console" in engine
    assert "-serial" not in forwarding
    assert "hostfwd=tcp::22-10.0.0.15:22" in engine
    assert "hostfwd=tcp::32767-10.0.0.15:32767" in engine
    assert "user," not in forwarding
    ends = {line.partition("local.str=")[2][:2] for line in (engine, forwarding)}
    assert "local.str=21" in engine
    assert "local.str=20" in forwarding
    assert len(ends) == 2
    assert forwarding.count("virtio-net-pci,") == 4
    assert engine.count("e1000,") == 2


def test_each_machine_keeps_its_board_its_disks_and_its_memory(tmp_path):
    engine, forwarding = lines(device_of(tmp_path, hardware=ROUTER, interfaces=["management"]))
    assert "-machine pc" in engine
    assert "-m 1024" in engine
    assert "file=/w/system.qcow2" in engine
    assert "file=/w/config.qcow2" in engine
    assert "-machine q35" in forwarding
    assert "file=/w/fabric.qcow2" in forwarding


def test_firmware_is_that_of_the_runtime_wherever_the_publishers_is(tmp_path):
    _, forwarding = lines(device_of(tmp_path, hardware=ROUTER, interfaces=["management"]))
    assert "file=/usr/share/OVMF/OVMF_CODE_4M.fd" in forwarding
    assert "file=/w/pfe.variables" in forwarding


def test_the_processor_of_the_host_is_asked_for_with_kvm_only(tmp_path):
    device = device_of(tmp_path, hardware=ROUTER, interfaces=["management"])
    assert "-cpu host,+vmx" in lines(device, "kvm")[0]
    assert "-cpu max,+vmx" in lines(device, "tcg")[0]


def test_a_linux_image_is_a_pc_with_the_memory_that_it_was_tested_with(tmp_path):
    device = device_of(tmp_path, memory=300, interfaces=["eth0", "eth1"])
    (line,) = lines(device)
    assert "-m 300" in line
    assert device.interfaces == ("eth1",)
    assert device.keys


def test_keys_are_pressed_only_where_a_posix_system_hears_them(tmp_path):
    assert not device_of(tmp_path, hardware=ROUTER, interfaces=["management"]).keys
    assert device_of(tmp_path, hardware={**ROUTER, "shell": True}, interfaces=["management"]).keys


def test_a_device_that_wants_a_configuration_disk_at_each_start_is_refused_before_anything_is_sent(tmp_path):
    machine = {**ROUTER["machines"][0], "nics": ["management"], "disks": [{"name": "system"}],
               "config": {"format": "iso", "files": {"a": "b"}}}  # fmt: skip
    with pytest.raises(LabwrightError, match="wants a disk with its configuration"):
        device_of(tmp_path, hardware={"machines": [machine]}, interfaces=["management"])


def test_hardware_of_another_labwright_is_an_error_with_a_remedy():
    with pytest.raises(LabwrightError, match="describes no machine"):
        hardware_of(delivered(hardware={"machines": []}))


def test_a_container_without_its_device_says_so(tmp_path):
    (tmp_path / "device.json").write_text(json.dumps([])[:-1])
    with pytest.raises(Unusable, match="this image has no device"):
        read_device(tmp_path / "device.json")


def test_more_layers_than_a_container_starts_with_are_refused_before_they_are_sent():
    check_count(delivered(), 120)
    with pytest.raises(LabwrightError, match="a container of 121 layers"):
        check_count(delivered(), 121)
