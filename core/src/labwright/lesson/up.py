"""A lab from a lesson: machines and links under a keeper, each ready and itself before anybody sees it."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline
from labwright.host.environment import environment
from labwright.host.interrupts import undisturbed
from labwright.host.ledger import Ledger
from labwright.host.paths import Paths
from labwright.host.teardown import process_start
from labwright.lesson.command import Order, WirePlan, data_seats, names_of, orders, wire_of
from labwright.lesson.guests import Guest, Ready, Watch, bring_up
from labwright.lesson.keeper.ask import ask_keeper
from labwright.lesson.keeper.doors import Door
from labwright.lesson.keeper.plan import GO, KeeperPlan
from labwright.lesson.lab import Lab, LabLink, LabMachine, folder_of, write_lab
from labwright.lesson.monitors import let_run
from labwright.lesson.plan import LabPlan, MachinePlan
from labwright.lesson.snapshot import Snapshot
from labwright.spec.hardware import DATA
from labwright.spec.lesson import LessonSpec
from labwright.vm.accelerator import Accelerator, slower
from labwright.vm.device import Place, socket_folder
from labwright.vm.machine import overlay_of

KEEPER_SECONDS = 60.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Launch:
    """What to bring up. folder: the lesson's. images: where its images are; logins: where those have their logins.
    doors: listening sockets of the host, in the order of door_count(). snapshots: by endpoint, of those that go on from
    one. configured: endpoints with jobs.
    """

    folder: Path
    spec: LessonSpec
    images: Path
    logins: tuple[Path, ...]
    plan: LabPlan
    doors: Sequence[int]
    accelerator: Accelerator
    snapshots: dict[str, Snapshot]

    @property
    def configured(self) -> frozenset[str]:
        """Endpoints that jobs log in to."""
        return frozenset(each.name for each in self.spec.endpoints if each.configuration_type)


def door_count(plan: LabPlan) -> int:
    """How many ports of the host a lab takes."""
    return sum(len(machine.ports) for machine in plan.machines)


def start_lab(launch: Launch, ports: Sequence[int], paths: Paths, ledger: Ledger) -> Lab:
    """Start all machines. ports: of the host, one for each door. We are in the lab's network already.

    The keeper holds everything from here on. Raises LabwrightError (host), with nothing left.
    """
    folder, sockets = folder_of(launch.folder, paths), socket_folder()
    with contextlib.ExitStack() as undo:
        entries = []
        with undisturbed():
            for place in (folder, sockets):
                entries.append(ledger.write("folder", str(place)))
                undo.callback(ledger.release, entries[-1])
        folder.mkdir(mode=0o700, parents=True)
        sockets.mkdir(mode=0o700)
        started: list[Order] = []
        outside = dict(zip(_doors(launch.plan), ports, strict=True))
        machines = []
        for number, machine in enumerate(launch.plan.machines, 1):
            made = _orders(launch, machine, number, sockets, folder)
            started += made
            machines.append(_machine(launch, machine, made, number, sockets, folder, outside))
        wires = [wire_of(link, number, sockets) for number, link in enumerate(launch.plan.links)]
        doors = [
            Door(descriptor, name, launch.plan.machines[index].address, port)
            for descriptor, (index, name, port) in zip(launch.doors, _doors(launch.plan), strict=True)
        ]
        KeeperPlan(folder, sockets, ledger.folder, tuple(started), tuple(wires), tuple(doors)).write()
        lab = Lab(
            name=launch.spec.slug, lesson=launch.folder, images=launch.images, folder=folder, sockets=sockets,
            accelerator=launch.accelerator.name, factor=launch.accelerator.factor, machines=tuple(machines),
            links=_links(launch.plan, wires), creator=os.getpid(), creator_start=process_start(os.getpid()),
            created=time.time(), logins=launch.logins,
        )  # fmt: skip
        process = _start_keeper(lab, launch.doors)
        undo.callback(_end_process, process)
        lab = write_lab(replace(lab, keeper=process.pid, keeper_start=process_start(process.pid), phase="booting"))
        # From here on they are the keeper's: `clean` must not take them for ours once we are dead.
        for entry in entries:
            ledger.strike(entry)
        _tell_it_to_go_on(process)
        _until_it_keeps(lab, process)
        undo.pop_all()
    return lab


def _doors(plan: LabPlan) -> list[tuple[int, str, int]]:
    """Index and name of the endpoint, and its port: in the order of the sockets."""
    return [(index, machine.name, port) for index, machine in enumerate(plan.machines) for port in machine.ports]


def _orders(
    launch: Launch, machine: MachinePlan, number: int, sockets: Path, folder: Path
) -> tuple[Order, ...]:  # fmt: skip
    snapshot = launch.snapshots.get(machine.name)
    disks = {
        name: overlay_of(snapshot.disk(name) if snapshot else disk, folder / f"{number}-{name}.qcow2")
        for name, disk in machine.image.disks.items()
    }
    memory = snapshot.memory if snapshot else None
    return orders(launch.plan, machine, disks, number, sockets, folder, launch.accelerator.name, memory)


def _machine(
    launch: Launch, machine: MachinePlan, made: Sequence[Order], number: int, sockets: Path, folder: Path,
    outside: dict[tuple[int, str, int], int],
) -> LabMachine:  # fmt: skip
    place = Place(sockets, folder, f"{number}a")
    return LabMachine(
        name=machine.name,
        image=machine.image.slug,
        user=machine.image.user,
        address=machine.address,
        peer_address=machine.peer_address,
        macs=machine.macs,
        interfaces=tuple(names_of(machine)),
        ports={port: outside[number - 1, machine.name, port] for port in machine.ports},
        console=place.console,
        serial=place.socket,
        controls=tuple(order.control for order in made),
        data=_data_control(machine, made),
        seats=data_seats(machine),
        shell=machine.image.shell,
        quick=machine.name in launch.snapshots,
    )


def _data_control(machine: MachinePlan, made: Sequence[Order]) -> Path:
    """The monitor of the machine that has the data interfaces: one of a device has them all."""
    hardware = machine.image.hardware.machines
    return next((order.control for one, order in zip(hardware, made, strict=True) if DATA in one.nics), made[0].control)


def _links(plan: LabPlan, wires: Sequence[WirePlan]) -> tuple[LabLink, ...]:
    return tuple(
        LabLink(link.name, link.a.endpoint, link.a.interface, link.b.endpoint, link.b.interface, link.subnet, wire)
        for link, wire in zip(plan.links, wires, strict=True)
    )


def _start_keeper(lab: Lab, doors: Sequence[int]) -> subprocess.Popen[bytes]:
    with (lab.folder / "keeper.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "labwright.lesson.keeper", lab.folder],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment(),
            start_new_session=True,
            pass_fds=doors,
        )


def _tell_it_to_go_on(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    # It may have died: whoever waits for it says so.
    with contextlib.suppress(BrokenPipeError), process.stdin as told:
        told.write(GO)


def _until_it_keeps(lab: Lab, process: subprocess.Popen[bytes]) -> None:
    limit = Deadline(KEEPER_SECONDS)
    while not lab.control.is_socket():
        if process.poll() is not None or limit.expired:
            said = (lab.folder / "keeper.log").read_text(errors="replace").splitlines()
            raise LabwrightError(
                "the lab's own process does not start",
                cause=Cause.HOST,
                details=said[-6:],
                hint="is there enough memory and disk? The lines above are its last words",
            )
        time.sleep(0.02)


@undisturbed()
def _end_process(process: subprocess.Popen[bytes]) -> None:
    """What it had begun to hold is gone with it, or named by the ledger."""
    process.terminate()
    try:
        process.wait(KEEPER_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def make_ready(lab: Lab, launch: Launch, say: Say) -> Lab:
    """Wait for every machine, and let learners in to each as it is ready. Raises LabwrightError (guest, host)."""
    let_run(lab)
    watch = Watch(lab.ended, say, time.monotonic(), threading.Event())
    crowd = max(1.0, launch.plan.processors / len(os.sched_getaffinity(0)))
    factor = launch.accelerator.factor * (crowd if launch.accelerator.name != "kvm" else 1.0)
    guests = [
        Guest(
            machine,
            lab.machine(machine.name).console,
            machine.name in launch.snapshots,
            machine.name in launch.configured,
            machine.image.hardware.boot * slower(launch.accelerator) * max(1.0, crowd / 2),
            factor,
        )
        for machine in launch.plan.machines
    ]
    ready = bring_up(guests, launch.folder, watch, functools.partial(_let_in, lab, say))
    times = {each.name: each.seconds for each in ready}
    return write_lab(
        replace(lab, machines=tuple(replace(machine, ready=times[machine.name]) for machine in lab.machines))
    )


def _let_in(lab: Lab, say: Say, ready: Ready) -> None:
    # Before its door opens, and for each by itself: another machine may never come up.
    lines = [f"[127.0.0.1]:{lab.machine(ready.name).ports[22]} {key}\n" for key in ready.keys]
    with known_hosts(lab).open("a") as stream:
        stream.write("".join(lines))
    ask_keeper(lab.control, do="open", endpoint=ready.name)
    say(f"{ready.name} answers after {ready.seconds:.1f} s" + (f": {ready.warning}" if ready.warning else ""))


def known_hosts(lab: Lab) -> Path:
    """The host keys of the lab's machines, by the ports of the host (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    return lab.folder / "known_hosts"
