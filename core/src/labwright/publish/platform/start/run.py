"""A start of the container: cables, disks, QEMU, and its life until the machine or the platform ends it.

Exit codes: 0 the machine is off; 1 QEMU failed; 2 a setting is wrong; 3 the container lacks something; 4 the machine
did not shut down in time after SIGTERM and was switched off.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from labwright.publish.platform.start import accelerator, links
from labwright.publish.platform.start.capability import raw_sockets
from labwright.publish.platform.start.command import command, seats
from labwright.publish.platform.start.console import Console
from labwright.publish.platform.start.links import Link
from labwright.publish.platform.start.monitor import Monitor
from labwright.publish.platform.start.settings import (
    Device,
    Forward,
    Settings,
    Unusable,
    forwards,
    read_device,
    read_settings,
)
from labwright.publish.platform.start.watch import Watch
from labwright.publish.platform.start.wiring import Wiring

VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
QEMU_IMG = "/usr/bin/qemu-img"
DISKS = Path("/disk")


def main() -> int:
    """Run the device of this container; the exit code."""
    console = Console(sys.stdout)
    signals = _signals()
    try:
        device, settings = read_device(), read_settings()
        with tempfile.TemporaryDirectory(prefix="labwright-") as folder:
            return start(device, settings, Path(folder), console, signals)
    except Unusable as error:
        console.say(f"error: {error}")
        return error.code
    except OSError as error:
        console.say(f"error: {error}")
        return 3


def _signals() -> socket.socket:
    """SIGTERM, SIGINT and SIGCHLD as bytes on a socket. As the first process we have no default action for any."""
    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader


def start(device: Device, settings: Settings, work: Path, console: Console, signals: socket.socket) -> int:
    """Everything between the settings and the exit code. Raises Unusable and OSError."""
    opened = forwards(device, settings)
    check_ports(opened)
    cables = connect_all(device, settings, console)
    chosen, why = accelerator.choose(settings.accelerator, work)
    console.say(f"accelerator {chosen}: {why}")
    prepare(device, work)
    wiring = Wiring.of(device, cables)
    with contextlib.ExitStack() as stack:
        lines = [command(device, one, settings, wiring.ends, chosen, work, opened) for one in device.machines]
        running = [stack.enter_context(qemu(words, wiring.inherited)) for words in lines]
        wiring.hand_over()
        monitors = [
            Monitor(work / f"{machine.name}.q", process)
            for machine, process in zip(device.machines, running, strict=True)
        ]
        unplug(device, monitors, wiring)
        console.say(f"listening on {', '.join(f'{one.port}/{one.protocol}' for one in opened)}")
        watch = Watch(running, monitors, cables, wiring.serial, console, signals, settings.stop, device.keys)
        code = watch.until_end()
    for cable in cables:
        console.say(str(cable.relay))
    return code


def check_ports(opened: Sequence[Forward]) -> None:
    """Raise Unusable for a port that this user may not open: QEMU's own words do not say which, nor why."""
    for one in opened:
        kind = socket.SOCK_STREAM if one.protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind(("", one.port))
            except PermissionError:
                raise Unusable(
                    f"port {one.port} cannot be opened by user {os.getuid()}: set the sysctl "
                    "net.ipv4.ip_unprivileged_port_start=0 in the pod's securityContext",
                    3,
                ) from None
            except OSError as error:
                raise Unusable(f"port {one.port}/{one.protocol} cannot be opened: {error.strerror}", 3) from None


def connect_all(device: Device, settings: Settings, console: Console) -> list[Link]:
    """A cable for each interface that is there. Without the capability the machine starts with its links down."""
    found = links.wait_for(settings.interfaces, len(device.interfaces), settings.seconds, links.present)
    for number, name in enumerate(settings.interfaces, start=1):
        if number not in found:
            console.say(f"warning: there is no interface {name}: the machine's data interface {number} stays down")
    cables = []
    with raw_sockets() as allowed:
        if found and not allowed:
            console.say(
                f"error: no raw sockets, so the links on {', '.join(found.values())} stay down: add the capability "
                "NET_RAW to the container, and leave allowPrivilegeEscalation on for a user other than root"
            )
            return []
        for number, name in found.items():
            cable = links.connect(number, name)
            console.say(f"data interface {number} on {name}, MTU {cable.size}")
            cables.append(cable)
    return cables


def prepare(device: Device, work: Path) -> None:
    """Throw-away overlays of the disks, and UEFI's variables. Raises OSError."""
    for machine in device.machines:
        for name, size in machine.disks.items():
            below = json.dumps(chain(name))
            words = [QEMU_IMG, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", f"json:{below}",
                     str(work / f"{name}.qcow2"), str(size)]  # fmt: skip
            if subprocess.run(words, check=False, stdin=subprocess.DEVNULL).returncode:
                raise OSError(f"no overlay of the disk {name} can be made: is there room in {work.parent}?")
        if machine.uefi:
            shutil.copyfile(VARIABLES, work / f"{machine.name}.variables")


def chain(name: str) -> dict[str, object]:
    """What an overlay lies on: the blocks of directories, and below them the pieces of the disk."""

    def file(ending: str) -> dict[str, object]:
        return {"driver": "file", "filename": str(DISKS / f"{name}.{ending}")}

    return {"driver": "qcow2", "file": file("qcow2"), "backing": {"driver": "vmdk", "file": file("vmdk")}}


@contextlib.contextmanager
def qemu(words: Sequence[str], inherited: Sequence[socket.socket]) -> Iterator[subprocess.Popen[bytes]]:
    """QEMU, for as long as the body lasts. What it makes is for us alone."""
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, pass_fds=[end.fileno() for end in inherited], umask=0o077,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def unplug(device: Device, monitors: Sequence[Monitor], wiring: Wiring) -> None:
    """Take the link from each data interface that has no cable, so that the guest sees that. Raises OSError."""
    for machine, monitor in zip(device.machines, monitors, strict=True):
        for seat, (_, _, data) in enumerate(seats(machine, wiring.count)):
            if data and data not in wiring.connected:
                monitor.execute("set_link", name=f"nic{seat}", up=False)
