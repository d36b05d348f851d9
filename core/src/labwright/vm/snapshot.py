"""A snapshot of a booted device in its own disks, from which it resumes in seconds instead of booting.

The last thing that is done to an image: `qemu-img convert` drops snapshots. It holds the machine's memory, so it
resumes only with the accelerator, the processor and about the version of QEMU that it was taken with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline, Heartbeat
from labwright.host.environment import version_of
from labwright.interfaces import Workbench
from labwright.vm.accelerator import Accelerator, slower
from labwright.vm.device import KNOCK, end, launch_device
from labwright.vm.device_test import DevicePlan, wait_for_login
from labwright.vm.ready import Greeting, wait_until
from labwright.vm.ssh import Login

NAME, SEALED = "ready", "sealed"
"""The second one is there only meanwhile: what the disk was like before it was booted."""
SAVE_SECONDS = 300.0
RESUME_SECONDS = 60.0


@dataclass(frozen=True)
class Snapshot:
    """What resumes. accelerator, qemu: that it was taken with. resumed: seconds from the start of QEMU to a login."""

    name: str
    accelerator: str
    qemu: str
    resumed: float


def take_snapshot(plan: DevicePlan, bench: Workbench, accelerator: Accelerator) -> None:
    """Boot the device on its qcow2 disks themselves, and keep what it is like once users can log in.

    Afterwards the disks are sealed as before: who boots a copy instead of resuming it makes keys of its own.
    Raises LabwrightError (guest, host).
    """
    spec = replace(plan.spec, written=True, format="qcow2")
    _each_disk(plan, bench, "-c", SEALED)
    with launch_device(spec, bench.scratch / "snapshot", bench.ledger) as device:
        limit = Deadline(spec.hardware.boot * slower(accelerator))
        login = Login(device.ports["ssh"], plan.user, plan.password)
        wait_until(device.first, [Greeting(login.port, device.ports[KNOCK])], limit, Heartbeat(bench.say))
        wait_for_login(device, login, limit, bench.say, accelerator.factor)
        # All machines of a device stand still before the first is saved: they talk to each other.
        for control in device.monitors.values():
            control.execute("stop")
        for name, control in device.monitors.items():
            bench.say(f"saving {name}")
            said = control.execute("human-monitor-command", {"command-line": f"savevm {NAME}"}, SAVE_SECONDS)
            if said:
                raise LabwrightError(
                    f"QEMU takes no snapshot of {name}: {str(said).strip()}",
                    cause=Cause.HOST,
                    hint="take build.quickLaunch out: this hardware cannot be saved",
                )
        end(device)
    _each_disk(plan, bench, "-a", SEALED)
    _each_disk(plan, bench, "-d", SEALED)


def _each_disk(plan: DevicePlan, bench: Workbench, *order: str) -> None:
    for disk in plan.spec.disks.values():
        bench.run(["qemu-img", "snapshot", *order, disk], what=f"{disk.name} takes no snapshot")


def resume(plan: DevicePlan, copies: dict[str, Path], bench: Workbench, accelerator: Accelerator) -> Snapshot:
    """Resume it from copies of its disks, and log in. Raises LabwrightError (guest, host)."""
    spec = replace(plan.spec, disks=copies, written=True, format="qcow2", resume=NAME)
    with launch_device(spec, bench.scratch / "resume", bench.ledger) as device:
        login = Login(device.ports["ssh"], plan.user, plan.password)
        limit = Deadline(RESUME_SECONDS * slower(accelerator))
        seconds = wait_for_login(device, login, limit, bench.say, accelerator.factor)
        end(device)
    return Snapshot(NAME, accelerator.name, version_of("qemu-system-x86_64"), round(seconds, 1))
