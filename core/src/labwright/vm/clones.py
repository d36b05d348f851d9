"""Two machines from one image, at once, on one network: nothing that identifies a machine may be the same."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline, Heartbeat
from labwright.host.sockets import listens
from labwright.interfaces import Workbench
from labwright.vm.accelerator import Accelerator, slower
from labwright.vm.boot_test import BOOT_SECONDS, COMMAND_SECONDS, BootPlan, dynamic_address, parse_links
from labwright.vm.machine import FIRST_SLOT, MachineSpec, Nic, launch
from labwright.vm.ports import reserved_ports
from labwright.vm.ready import Greeting, Prompt, wait_until
from labwright.vm.ssh import Login, ask, connect

MACS = ("52:54:00:4c:57:01", "52:54:00:4c:57:02")
ADDRESSES = ("10.0.2.15", "10.0.2.16")
"""What QEMU's own DHCP server gives to the first and to the second that asks (QEMU's docs, user networking)."""


@dataclass(frozen=True)
class Identity:
    """What makes a machine itself."""

    mac: str
    address: str
    machine_id: str
    host_keys: tuple[str, ...]


@dataclass(frozen=True)
class CloneReport:
    """Two clones that differ in everything that matters."""

    first: Identity
    second: Identity


def compare_clones(image: Path, plan: BootPlan, bench: Workbench, accelerator: Accelerator) -> CloneReport:
    """Boot two clones and compare them. Raises LabwrightError (guest) naming what they share."""
    with reserved_ports(2) as ports:
        if plan.ours:
            return _compare(image, plan, bench, accelerator, ports)
        return _compare_apart(image, plan, bench, accelerator, ports)


def _compare_apart(
    image: Path, plan: BootPlan, bench: Workbench, accelerator: Accelerator, ports: Sequence[int]
) -> CloneReport:
    """Clones of a foreign image, each on a network of its own, so that no address is compared.

    When their interfaces are up is not to be seen from here, and QEMU 7.2 dies of a connection that is forwarded into a
    hub before that.
    """
    networks = [f"user,id=net0,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:{port}-:22" for port in ports]
    with (
        launch(_machine(image, plan, accelerator, 0, (networks[0],)), bench.scratch / "one", bench.ledger) as one,
        launch(_machine(image, plan, accelerator, 1, (networks[1],)), bench.scratch / "two", bench.ledger) as two,
    ):
        deadline, beat = Deadline(2 * BOOT_SECONDS * slower(accelerator)), Heartbeat(bench.say)
        seconds = 2 * COMMAND_SECONDS * accelerator.factor
        identities = []
        for machine, port in ((one, ports[0]), (two, ports[1])):
            wait_until(machine, [Greeting(port)], deadline, beat)
            identities.append(identity_of(Login(port, plan.user, plan.password), seconds))
    return judge(identities[0], identities[1], one_network=False)


def _compare(
    image: Path, plan: BootPlan, bench: Workbench, accelerator: Accelerator, ports: Sequence[int]
) -> CloneReport:
    wire = bench.scratch / "w"
    # One DHCP server for both. Which clone gets which address is chance, so both addresses are forwarded.
    forwards = ",".join(
        f"hostfwd=tcp:127.0.0.1:{port}-{address}:22" for port, address in zip(ports, ADDRESSES, strict=True)
    )
    switch = (
        f"user,id=up,restrict=on,ipv6=off,{forwards}",
        f"stream,id=wire,server=on,addr.type=unix,addr.path={wire}",
        "hubport,id=h0,hubid=0,netdev=up",
        "hubport,id=h1,hubid=0,netdev=wire",
        "hubport,id=net0,hubid=0",
    )
    second = (f"stream,id=net0,server=off,addr.type=unix,addr.path={wire}",)
    with (
        launch(_machine(image, plan, accelerator, 0, switch), bench.scratch / "one", bench.ledger) as one,
        _when_there(wire),
        launch(_machine(image, plan, accelerator, 1, second), bench.scratch / "two", bench.ledger) as two,
    ):
        deadline, beat = Deadline(2 * BOOT_SECONDS * slower(accelerator)), Heartbeat(bench.say)
        seconds = 2 * COMMAND_SECONDS * accelerator.factor
        identities = []
        # QEMU 7.2 dies of a connection that is forwarded into a hub before the guest's interface is up.
        for machine in (one, two):
            wait_until(machine, [Prompt(machine)], deadline, beat)
        for port in ports:
            wait_until(one, [Greeting(port)], deadline, beat)
            identities.append(identity_of(Login(port, plan.user, plan.password), seconds))
    return judge(identities[0], identities[1])


def identity_of(login: Login, seconds: float, macs: Sequence[str] = MACS) -> Identity:
    """What makes a machine itself, asked over SSH. macs: of its management interface. Raises LabwrightError (guest)."""
    with connect(login, seconds) as client:
        return read_identity(
            ask(client, "ip -j address", seconds).text,
            ask(client, "cat /etc/machine-id", seconds).text,
            ask(client, "cat /etc/ssh/ssh_host_*_key.pub", seconds).text,
            macs,
        )


def read_identity(addresses: str, machine_id: str, keys: str, macs: Sequence[str] = MACS) -> Identity:
    """An identity from what the commands in the guest answered."""
    links = parse_links(addresses)
    link = next((link for link in links if link.get("address") in macs), {})
    parts = tuple(" ".join(line.split()[:2]) for line in sorted(keys.splitlines()) if len(line.split()) > 1)
    mac, name = str(link.get("address", "")), str(link.get("ifname", ""))
    return Identity(mac, dynamic_address(links, name), machine_id.strip(), parts)


def judge(first: Identity, second: Identity, one_network: bool = True) -> CloneReport:
    """Raises LabwrightError (guest) when the two share, or lack, what a machine must have of its own.

    one_network: whether they got their addresses from one server.
    """
    addresses = {"DHCP address": ({first.address}, {second.address})} if one_network else {}
    pairs = addresses | {
        "MAC address": ({first.mac}, {second.mac}),
        "machine-id": ({first.machine_id}, {second.machine_id}),
        "SSH host keys": (set(first.host_keys), set(second.host_keys)),
    }
    shared = [name for name, (one, two) in pairs.items() if one & two or not one or not two or "" in one | two]
    if shared:
        raise LabwrightError(
            f"two clones of the image share, or lack: {', '.join(shared)}",
            cause=Cause.GUEST,
            hint="it has to be made at first boot, so it must not be in the image",
        )
    return CloneReport(first, second)


def _machine(
    image: Path, plan: BootPlan, accelerator: Accelerator, index: int, backends: tuple[str, ...]
) -> MachineSpec:
    return MachineSpec(
        name=f"labwright-clone{index}",
        image=image,
        accelerator=accelerator.name,
        firmware=plan.firmware,
        reboots=not plan.ours,
        memory=plan.memory,
        nics=(Nic(MACS[index], FIRST_SLOT, "net0"),),
        backends=backends,
    )


@contextlib.contextmanager
def _when_there(path: Path) -> Iterator[None]:
    """Wait for the socket of the first machine before the second is started."""
    deadline = Deadline(10)
    while not listens(path) and not deadline.expired:
        time.sleep(0.02)
    yield
