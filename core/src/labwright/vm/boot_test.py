"""The boot test: one firmware, from power-on to a clean power-off, with everything that a lesson relies on."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import paramiko

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline, Heartbeat
from labwright.interfaces import Workbench
from labwright.vm.accelerator import Accelerator, slower
from labwright.vm.console import guest_error
from labwright.vm.machine import FIRST_SLOT, Firmware, Machine, MachineSpec, Nic, launch, wait_for_end
from labwright.vm.ports import reserved_ports
from labwright.vm.ready import CLOSED_PORT, Greeting, Prompt, Sign, wait_until
from labwright.vm.ssh import Login, ask, connect

Proof = Literal["login", "ssh", "systemd"]
BOOT_SECONDS = 120.0
COMMAND_SECONDS = 30.0
SCRIPT_SECONDS = 600.0
SCREEN = (
    "for _ in 1 2 3 4 5 6; do sudo -n grep -q login: /dev/vcs1 && exit; sleep 5; done; "
    "cat /sys/class/vtconsole/*/name; sudo -n cat /dev/vcs1; exit 1"
)
"""The text of the first virtual console (vcs(4)): what is on the screen, of VGA text and of a frame buffer alike."""
GROW_MIB = 1024
"""By how much the disk of a boot test is larger than the image."""
UEFI_MEMORY = 192
"""OVMF itself does not start in 128 MiB; the systems in the images run in that."""


@dataclass(frozen=True)
class BootPlan:
    """What to boot and what to expect. interfaces: the data interfaces, in bus order. memory: MiB.

    ours: whether labwright made it; then its root grows with the disk, its screen has a login prompt too, and its
    interfaces have their names by position on the bus. script: a test of the image's own, run over SSH.
    """

    user: str
    password: str = field(repr=False)
    interfaces: tuple[str, ...] = ()
    proof: Proof = "systemd"
    kernel: Path | None = None
    firmware: Firmware = "bios"
    memory: int = 128
    ours: bool = True
    script: str = ""


@dataclass(frozen=True)
class BootReport:
    """What was seen. login, ssh, ready: seconds from power-on, 0 where it was not asked for. memory_used: MiB.

    failed: units that failed in a foreign system; in ours there are none. script: whether the image's own test passed.
    """

    firmware: str
    memory: int
    login: float
    ssh: float = 0.0
    ready: float = 0.0
    power_off: float = 0.0
    address: str = ""
    interfaces: tuple[str, ...] = ()
    memory_used: int = 0
    failed: tuple[str, ...] = ()
    script: bool = False


def boot_test(image: Path, plan: BootPlan, bench: Workbench, accelerator: Accelerator) -> BootReport:
    """Boot once and check. Raises LabwrightError (guest) naming what failed, with the console's last lines."""
    folder = bench.scratch / f"boot-{plan.firmware}"
    with reserved_ports(2) as ports:
        spec = machine_for(image, plan, accelerator, ports)
        with launch(spec, folder, bench.ledger) as machine:
            return _check(machine, plan, ports, bench, accelerator)


def machine_for(image: Path, plan: BootPlan, accelerator: Accelerator, ports: Sequence[int]) -> MachineSpec:
    """The machine of a boot test. ports: of loopback, forwarded to SSH and to a closed port.

    The interfaces come in another order on QEMU's command line than on the bus, and their MAC addresses fall while
    their slots rise, so that only naming by position on the bus gets the names right. The disk is larger than the
    image, so that the root has to grow.
    """
    count = 1 + len(plan.interfaces)
    nics = [Nic(mac_of(index, count), FIRST_SLOT + index, f"net{index}") for index in range(count)]
    forwards = f"hostfwd=tcp:127.0.0.1:{ports[0]}-:22,hostfwd=tcp:127.0.0.1:{ports[1]}-:{CLOSED_PORT}"
    backends = [f"user,id=net0,restrict=on,ipv6=off,{forwards}"]
    backends += [f"user,id=net{index},restrict=on,net=10.9.{index}.0/24,ipv6=off" for index in range(1, count)]
    return MachineSpec(
        name="labwright-test",
        image=image,
        accelerator=accelerator.name,
        firmware=plan.firmware,
        memory=max(plan.memory, UEFI_MEMORY) if plan.firmware == "uefi" else plan.memory,
        nics=tuple(nics[1:] + nics[:1]),
        backends=tuple(backends),
        kernel=plan.kernel,
        larger=GROW_MIB if plan.ours else 0,
        reboots=not plan.ours,
    )


def mac_of(index: int, count: int) -> str:
    """A locally administered MAC address; the first interface has the highest."""
    return f"52:54:00:4c:57:{0x80 + count - index:02x}"


def _check(
    machine: Machine, plan: BootPlan, ports: Sequence[int], bench: Workbench, accelerator: Accelerator
) -> BootReport:
    # Where a foreign system's console is, is its own choice.
    signs: list[Sign] = [Prompt(machine)] if plan.ours or plan.proof == "login" else []
    if plan.proof != "login":
        signs.append(Greeting(ports[0], ports[1]))
    times = wait_until(machine, signs, Deadline(BOOT_SECONDS * slower(accelerator)), Heartbeat(bench.say))
    report = BootReport(plan.firmware, machine.spec.memory, times.get(Prompt.name, 0.0), times.get(Greeting.name, 0.0))
    if plan.proof == "login":
        return report
    login = Login(ports[0], plan.user, plan.password)
    try:
        with connect(login, COMMAND_SECONDS * accelerator.factor) as client:
            return _inspect(machine, client, plan, report, accelerator)
    except LabwrightError as error:
        if not error.details:
            raise guest_error(machine, error.what, error.hint) from error
        raise


def _inspect(
    machine: Machine, client: paramiko.SSHClient, plan: BootPlan, report: BootReport, accelerator: Accelerator
) -> BootReport:
    limit = COMMAND_SECONDS * accelerator.factor

    def must(command: str, what: str, hint: str, seconds: float = limit) -> str:
        answer = ask(client, command, seconds)
        if answer.code != 0:
            raise LabwrightError(
                f"{plan.firmware}: {what}", cause=Cause.GUEST, hint=hint,
                details=answer.text.splitlines()[-12:],
            )  # fmt: skip
        return answer.text

    failed = _failed_units(client, plan, accelerator) if plan.proof == "systemd" else ()
    ready = machine.age
    must("sudo -n true", "sudo asks for a password", "the user needs a NOPASSWD line in sudoers")
    links = parse_links(must("ip -j address", "ip does not work", "the image needs iproute2"))
    names = {str(link.get("address")): str(link.get("ifname")) for link in links}
    count = 1 + len(plan.interfaces)
    seen = tuple(names.get(mac_of(index, count), "missing") for index in range(count))
    if plan.ours and seen != ("eth0", *plan.interfaces):
        raise guest_error(
            machine,
            f"{plan.firmware}: the interfaces in bus order are {', '.join(seen)}, not eth0 {' '.join(plan.interfaces)}",
            "is the service that names interfaces enabled?",
        )
    address = dynamic_address(links, seen[0])
    if not address:
        raise guest_error(
            machine, f"{plan.firmware}: {seen[0]} has no address by DHCP", "what asks for an address on it?"
        )
    if plan.ours:
        sizes = must("cat /sys/block/vda/size; findmnt --noheadings --bytes --output SIZE /", "no size of the root", "")
        if not has_grown(sizes):
            raise guest_error(
                machine,
                f"{plan.firmware}: the root has not grown with its disk (sectors and bytes: {' '.join(sizes.split())})",
                "what does labwright-grow-root.service say in the image's journal?",
            )
        must(
            SCREEN,
            "there is no login prompt on the screen",
            "is getty@tty1.service enabled? Is there a console driver?",
        )
    used = must("awk '/MemTotal/{t=$2} /MemAvailable/{a=$2} END{print int((t-a)/1024)}' /proc/meminfo", "no /proc", "")
    if plan.script:
        own_test(client, plan.firmware, plan.script, accelerator.factor)
    before = machine.age
    ask(client, "sudo -n systemctl poweroff --no-block || sudo -n poweroff", limit)
    if not wait_for_end(machine, BOOT_SECONDS * slower(accelerator)):
        raise guest_error(machine, f"{plan.firmware}: it does not power off", "what keeps it? see the lines above")
    return BootReport(
        report.firmware, report.memory, report.login, report.ssh, round(ready, 1), round(machine.age - before, 1),
        address, seen, int(used) if used.strip().isdigit() else 0,
        failed, bool(plan.script),
    )  # fmt: skip


def _failed_units(client: paramiko.SSHClient, plan: BootPlan, accelerator: Accelerator) -> tuple[str, ...]:
    """The units that failed, once the system is up. In an image of ours there are none: raises LabwrightError."""
    limit = COMMAND_SECONDS * accelerator.factor
    ask(client, "systemctl is-system-running --wait", BOOT_SECONDS * slower(accelerator))
    lines = ask(client, "systemctl --failed --no-legend --plain", limit).text.splitlines()
    failed = tuple(line.split()[0] for line in lines if line.split())
    if failed and plan.ours:
        details = ask(client, f"sudo -n journalctl -b --no-pager -n 20 -u {shlex.quote(failed[0])}", limit).text
        raise LabwrightError(
            f"{plan.firmware}: units failed: {' '.join(failed)}", cause=Cause.GUEST,
            details=details.splitlines()[-12:], hint="mend the unit, or take it out of the image",
        )  # fmt: skip
    return failed


def own_test(client: paramiko.SSHClient, where: str, script: str, factor: float) -> None:
    """Run an image's test.sh in it. Raises LabwrightError (guest) with its last words."""
    answer = ask(client, "sh -s", SCRIPT_SECONDS * factor, script)
    if answer.code != 0:
        raise LabwrightError(
            f"{where}: the image's own test.sh failed (exit code {answer.code})",
            cause=Cause.GUEST,
            details=answer.text.splitlines()[-12:],
            hint="the lines above are its last words; mend the image or the test",
        )


def has_grown(sizes: str) -> bool:
    """Whether the root, in bytes, fills nine tenths of its disk, in sectors of 512 bytes; a guest's answer."""
    words = sizes.split()
    if len(words) != 2 or not all(word.isdecimal() and len(word) < 20 for word in words):
        return False
    return int(words[1]) >= int(words[0]) * 512 * 9 // 10


def parse_links(text: str) -> list[dict[str, object]]:
    """What `ip -j address` answered. It comes from a guest: LabwrightError when it is something else."""
    try:
        links = json.loads(text)
    except (ValueError, RecursionError):
        links = None
    if not isinstance(links, list) or not all(isinstance(link, dict) for link in links):
        raise LabwrightError(
            "the guest's `ip -j address` answers no list of interfaces",
            cause=Cause.GUEST,
            details=text.splitlines()[:5],
            hint="the image needs iproute2 with JSON output",
        )
    return links


def dynamic_address(links: list[dict[str, object]], interface: str = "eth0") -> str:
    """The IPv4 address that DHCP gave an interface, from `ip -j address`; empty for none."""
    for link in links:
        infos = link.get("addr_info")
        if link.get("ifname") == interface and isinstance(infos, list):
            for info in infos:
                if isinstance(info, dict) and info.get("family") == "inet" and info.get("dynamic"):
                    return str(info.get("local", ""))
    return ""
