"""Orders to the QEMUs of a lab that is up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline
from labwright.lesson.lab import Lab, LabLink, LabMachine
from labwright.vm.qmp import Monitor, monitor

RESUME_SECONDS, STEP = 120.0, 0.02


class _Keeper:
    """QEMU's process is the keeper's child; whether it runs is in the lab's folder."""

    def __init__(self, lab: Lab, machine: LabMachine) -> None:
        self._lab = lab
        self._machine = machine

    def poll(self) -> int | None:
        """1 where it has ended."""
        return 1 if self._lab.ended(self._machine.name) else None


@contextmanager
def monitor_of(lab: Lab, machine: LabMachine, control: Path) -> Iterator[Monitor]:
    """QEMU's monitor. Raises LabwrightError naming how the machine ended, where it has."""
    try:
        with monitor(control, _Keeper(lab, machine)) as found:
            yield found
    except LabwrightError as error:
        if words := lab.ended(machine.name):
            raise LabwrightError(
                f"{machine.name}: {words}", cause=Cause.HOST, hint="is there enough memory? labwright lesson status"
            ) from error
        raise


def let_run(lab: Lab) -> None:
    """Let resumed machines go on, and take the carrier from interfaces that no link ends at."""
    linked = {(link.a, link.a_interface) for link in lab.links} | {(link.b, link.b_interface) for link in lab.links}
    for machine in lab.machines:
        loose = [index for index in range(1, len(machine.seats) + 1) if (machine.name, index) not in linked]
        if machine.quick:
            with monitor_of(lab, machine, machine.controls[0]) as orders:
                _go_on(machine, orders)
        if loose:
            with monitor_of(lab, machine, machine.data) as orders:
                for index in loose:
                    _set_carrier(machine, orders, index, up=False)


def _go_on(machine: LabMachine, orders: Monitor) -> None:
    limit = Deadline(RESUME_SECONDS)
    while True:
        facts = orders.execute("query-status")
        status = facts.get("status") if isinstance(facts, dict) else ""
        if status != "inmigrate":
            break
        if limit.expired:
            raise LabwrightError(
                f"{machine.name}: its snapshot is not read within {RESUME_SECONDS:.0f} s", cause=Cause.HOST,
                hint="is the disk slow? labwright lesson up --cold boots it",
            )  # fmt: skip
        time.sleep(STEP)
    if status != "running":
        orders.execute("cont")


def _set_carrier(machine: LabMachine, orders: Monitor, interface: int, up: bool) -> None:
    """Plug the cable of a data interface in, or pull it; they count from 1."""
    orders.execute("set_link", {"name": f"nic{machine.seats[interface - 1]}", "up": up})


def carrier(lab: Lab, link: LabLink, up: bool) -> None:
    """Both ends of a link see it go up or down. Raises LabwrightError (host) for an end that cannot, after both."""
    failed = []
    for name, interface in ((link.a, link.a_interface), (link.b, link.b_interface)):
        machine = lab.machine(name)
        try:
            with monitor_of(lab, machine, machine.data) as orders:
                _set_carrier(machine, orders, interface, up)
        except LabwrightError as error:
            failed.append(error)
    if failed:
        raise failed[0]
