"""The test of a finished device: booted anew in its hardware, as a learner's platform will, and logged in to."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from labwright.errors import LabwrightError
from labwright.host.clock import Deadline, Heartbeat
from labwright.interfaces import Workbench
from labwright.vm.accelerator import Accelerator, slower
from labwright.vm.boot_test import COMMAND_SECONDS, own_test
from labwright.vm.clones import CloneReport, identity_of, judge
from labwright.vm.console import guest_error
from labwright.vm.device import FIRST_MAC, KNOCK, Device, DeviceSpec, end, launch_device, mac_of
from labwright.vm.ready import Greeting, wait_until
from labwright.vm.ssh import Login, connect

PAUSE = 2.0
CLONES_APART = 0x40
"""Between the MAC addresses of two copies of a device."""


@dataclass(frozen=True)
class DevicePlan:
    """What to boot and to expect. script: the image's own test, for devices whose users have a shell."""

    spec: DeviceSpec
    user: str
    password: str = field(repr=False)
    script: str = ""


@dataclass(frozen=True)
class DeviceReport:
    """What was seen. memory: MiB. ssh, login: seconds from power-on. says: what the device says of itself."""

    memory: int
    ssh: float
    login: float
    says: Mapping[str, str]
    script: bool = False


Examine = Callable[[Mapping[str, int]], Mapping[str, str]]
"""Ports of loopback in, what the device says of itself out."""


def test_device(plan: DevicePlan, examine: Examine, bench: Workbench, accelerator: Accelerator) -> DeviceReport:
    """Boot it once on overlays, log in, ask what it is. Raises LabwrightError (guest) with the console's last lines."""
    with launch_device(plan.spec, bench.scratch / "boot-device", bench.ledger) as device:
        limit = Deadline(plan.spec.hardware.boot * slower(accelerator))
        greeting = Greeting(device.ports["ssh"], device.ports[KNOCK])
        ssh = wait_until(device.first, [greeting], limit, Heartbeat(bench.say))[Greeting.name]
        account = Login(device.ports["ssh"], plan.user, plan.password)
        login = wait_for_login(device, account, limit, bench.say, accelerator.factor)
        try:
            says = examine(device.ports)
            if plan.script:
                with connect(account, COMMAND_SECONDS * accelerator.factor) as client:
                    own_test(client, "device", plan.script, accelerator.factor)
        except LabwrightError as error:
            if error.details:
                raise
            raise guest_error(device.first, error.what, error.hint) from error
        end(device)
        return DeviceReport(plan.spec.hardware.memory, round(ssh, 1), round(login, 1), says, bool(plan.script))


def compare_devices(plan: DevicePlan, bench: Workbench, accelerator: Accelerator) -> CloneReport:
    """Boot two copies at once, each on a network of its own: LabwrightError (guest) names what they share."""
    limit = Deadline(2 * plan.spec.hardware.boot * slower(accelerator))
    with contextlib.ExitStack() as stack:
        devices = []
        for number in (0, 1):
            spec = replace(plan.spec, name=f"{plan.spec.name}-{number}", first_mac=FIRST_MAC + number * CLONES_APART)
            devices.append(stack.enter_context(launch_device(spec, bench.scratch / f"clone-{number}", bench.ledger)))
        found = []
        for number, device in enumerate(devices):
            login = Login(device.ports["ssh"], plan.user, plan.password)
            wait_until(device.first, [Greeting(login.port, device.ports[KNOCK])], limit, Heartbeat(bench.say))
            wait_for_login(device, login, limit, bench.say, accelerator.factor)
            macs = [mac_of(FIRST_MAC + number * CLONES_APART + index) for index in range(CLONES_APART)]
            found.append(identity_of(login, COMMAND_SECONDS * accelerator.factor, macs))
        for device in devices:
            end(device)
    return judge(found[0], found[1], one_network=False)


def wait_for_login(
    device: Device, login: Login, limit: Deadline, say: Callable[[str], None], factor: float = 1.0
) -> float:
    """Seconds from power-on to the first login: a server that greets may not know its users yet.

    factor: by which the time of each attempt is multiplied. Raises LabwrightError (guest) with the console's last
    lines.
    """
    beat = Heartbeat(say)
    while True:
        try:
            with connect(login, COMMAND_SECONDS * factor):
                return device.first.age
        except LabwrightError as error:
            if limit.expired or not device.running:
                raise guest_error(device.first, error.what, error.hint) from error
            beat.beat(error.what)
        time.sleep(PAUSE)
