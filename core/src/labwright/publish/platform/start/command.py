"""QEMU's command line in the container: what publish wrote for the device, and what only this start knows."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from labwright.publish.platform.start.accelerator import QEMU
from labwright.publish.platform.start.settings import Device, Forward, Machine, Settings
from labwright.publish.platform.start.wiring import Ends

GUEST, NETWORK = "10.0.0.15", "10.0.0.0/24"
WORK = "@work@"
LESSON = Path("/antidote")
ETHERNET = 1500
VIRTIO = "virtio-net-pci"
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
"""QEMU's own seccomp filter, as labs have it: a guest that breaks out starts no program."""


def command(
    device: Device, machine: Machine, settings: Settings, ends: Ends, accelerator: str, work: Path,
    forwards: Sequence[Forward],
) -> list[str]:  # fmt: skip
    """The arguments of one machine. work: the folder of this start."""
    words = [word.replace(WORK, str(work)) for word in machine.words[accelerator]]
    words[0] = QEMU
    first = machine is device.machines[0]
    if first:
        if settings.memory:
            words[words.index("-m") + 1] = str(settings.memory)
        words += ["-chardev", f"socket,id=console,fd={ends.console}", "-serial", "chardev:console"]
    for seat, (role, model, data) in enumerate(seats(machine, len(ends.data))):
        backend = _backend(role, data, seat, ends, forwards)
        size = ends.sizes.get(data, ETHERNET)
        # Only virtio can tell a guest what the wire takes.
        mtu = f",host_mtu={size}" if model == VIRTIO and size != ETHERNET else ""
        mac = mac_of(settings.seed, machine.name, seat)
        words += ["-netdev", f"{backend},id=n{seat}"]
        words += ["-device", f"{model},id=nic{seat},netdev=n{seat},mac={mac},romfile={mtu}"]
    if first and LESSON.is_dir():
        words += ["-virtfs", f"local,path={LESSON},mount_tag=antidote,security_model=none,readonly=on"]
    return [*words, *machine.extra, "-sandbox", SANDBOX]


def seats(machine: Machine, count: int) -> Iterator[tuple[str, str, int]]:
    """Role and model of each interface in bus order, with its number among those for data, from 1; 0 for others."""
    for nic in machine.nics:
        if nic.role == "data":
            yield from (("data", nic.model, number) for number in range(1, count + 1))
        else:
            yield nic.role, nic.model, 0


def _backend(role: str, data: int, seat: int, ends: Ends, forwards: Sequence[Forward]) -> str:
    """A -netdev without its id. An interface without a cable hangs on a hub with nothing else."""
    if role == "management":
        return _management(forwards)
    if data in ends.data:
        return f"dgram,local.type=fd,local.str={ends.data[data]}"
    if role in ends.inner:
        return f"dgram,local.type=fd,local.str={ends.inner[role].pop()}"
    return f"hubport,hubid={seat}"


def _management(forwards: Sequence[Forward]) -> str:
    """User-mode networking. Not restricted: its DHCP would name no gateway, and the guest could answer no other pod."""
    rules = "".join(f",hostfwd={one.protocol}::{one.port}-{GUEST}:{one.inside}" for one in forwards)
    return f"user,ipv6=off,net={NETWORK},dhcpstart={GUEST}{rules}"


def mac_of(seed: str, machine: str, seat: int) -> str:
    """A locally administered unicast address: another each time, or, with a seed, always the same."""
    last = hashlib.sha256(f"{seed}\0{machine}\0{seat}".encode()).digest()[:5] if seed else secrets.token_bytes(5)
    return ":".join(f"{byte:02x}" for byte in b"\x52" + last)
