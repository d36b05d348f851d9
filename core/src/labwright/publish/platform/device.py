"""What the container is told of the device: QEMU's arguments for each machine, as labs start it too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from labwright.errors import Cause, LabwrightError
from labwright.lesson.command import bounded
from labwright.publish.delivered import Delivered
from labwright.spec.hardware import Hardware, Machine
from labwright.vm.device import DeviceSpec, Place, command_line
from labwright.vm.machine import find_ovmf

WORK = Path("@work@")
"""Stands for the folder of one start; labwright.publish.platform.start.command puts it in."""
OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
LEAST_MEMORY = 128
RANDOM = ("-device", "virtio-rng-pci")


def hardware_of(delivered: Delivered) -> Hardware:
    """The device's hardware from its report; a PC with virtio where it names none. Raises LabwrightError (config)."""
    facts = delivered.facts
    try:
        if facts.get("hardware"):
            return Hardware.model_validate_json(json.dumps(facts["hardware"]))
        memory = max(LEAST_MEMORY, int(facts.get("memory", 0)))
        machine = {"name": "machine", "memory": memory, "board": "q35", "model": "host"}
        return Hardware.model_validate_json(json.dumps({"machines": [machine], "shell": True}))
    except (ValidationError, ValueError, TypeError) as error:
        raise LabwrightError(
            f"{delivered.report} describes no machine that labwright knows",
            cause=Cause.CONFIG,
            hint="build the image again with this labwright",
        ) from error


def describe(delivered: Delivered, hardware: Hardware, sizes: Mapping[str, int]) -> str:
    """device.json. sizes: bytes of each disk, by its name. Raises LabwrightError (config, host)."""
    linux = not delivered.facts.get("hardware")
    machines = [
        {
            "name": machine.name,
            "words": {name: _words(delivered.slug, hardware, machine, name) for name in ("kvm", "tcg")},
            "nics": [{"role": role, "model": machine.nic} for role in machine.nics],
            "disks": {disk.name: sizes[disk.name] for disk in machine.disks},
            "extra": list(RANDOM) if linux else [],
            "uefi": machine.firmware == "uefi",
        }
        for machine in hardware.machines
    ]
    interfaces = [str(name) for name in delivered.facts.get("interfaces", ())][1:]
    facts = {"machines": machines, "interfaces": interfaces, "ports": hardware.ports, "keys": linux or hardware.shell}
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"


def _words(slug: str, hardware: Hardware, machine: Machine, accelerator: str) -> list[str]:
    if machine.config:
        raise LabwrightError(
            f"{slug}: the machine {machine.name} wants a disk with its configuration at each start",
            cause=Cause.CONFIG,
            hint="containers for the platform start from the finished disk alone",
        )
    disks = {disk.name: WORK / f"{disk.name}.qcow2" for disk in machine.disks}
    spec = DeviceSpec(slug, hardware, disks, bounded(accelerator) if accelerator == "tcg" else accelerator)
    words = command_line(spec, machine, Place(WORK, WORK, machine.name), disks)
    if machine.firmware == "uefi":
        # The runtime's own firmware, wherever this host has its.
        words = [word.replace(str(find_ovmf()[0]), OVMF_CODE) for word in words]
    return words
