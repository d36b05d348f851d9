"""A device of one or several machines, as its hardware says: QEMU's arguments, and its life from start to end."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline
from labwright.host.environment import find_tool
from labwright.host.ledger import Ledger
from labwright.spec.hardware import DATA, MANAGEMENT, UNUSED, Hardware
from labwright.spec.hardware import Machine as MachineHardware
from labwright.vm.machine import Running, escaped, find_ovmf, overlay_of, start, wait_for_end
from labwright.vm.ports import reserved_ports
from labwright.vm.qmp import Monitor, monitor
from labwright.vm.ready import CLOSED_PORT

KNOCK = "knock"
"""The name of the forwarded port of the device where nothing listens."""
DISKS = {"virtio": "virtio-blk-pci", "ide": "ide-hd", "sata": "ide-hd", "scsi": "scsi-hd"}
FIRST_MAC = 0x10
END_SECONDS = 60.0
"""For QEMU to write what it has: a snapshot may be in its cache."""
LONGEST_FOLDER = 60
"""Characters of the path of the folder with sockets, of which theirs have at most 107 bytes (unix(7))."""
SEATS = ("ide", "sata")
"""The buses whose seats are numbered here: pc has two of IDE with two units each, an AHCI has six ports."""


@dataclass(frozen=True)
class DeviceSpec:
    """A device to start. disks: by their names in the hardware. data: how many data interfaces it has.

    written: it writes to the disks themselves, which have this format, instead of to overlays that are thrown away.
    resume: the snapshot in them that it goes on from. config: the disk with files for the first start, by machine.
    console: a socket that somebody talks to, or a file. first_mac: the last byte of the first interface's address.
    """

    name: str
    hardware: Hardware
    disks: Mapping[str, Path]
    accelerator: str
    data: int = 0
    written: bool = False
    format: Literal["raw", "qcow2"] = "raw"
    resume: str = ""
    config: Mapping[str, Path] = field(default_factory=dict)
    console: Literal["socket", "file"] = "socket"
    first_mac: int = FIRST_MAC


@dataclass(frozen=True)
class Device:
    """A running device. machines: by name, the first has the console. ports: of loopback, by what answers there.

    socket: of the serial console; monitors: QEMU's, by machine.
    """

    machines: Mapping[str, Running]
    monitors: Mapping[str, Monitor]
    ports: Mapping[str, int]
    socket: Path

    @property
    def first(self) -> Running:
        """The machine with the console."""
        return next(iter(self.machines.values()))

    @property
    def running(self) -> bool:
        """Whether all its machines run."""
        return all(machine.running for machine in self.machines.values())


@dataclass(frozen=True)
class Place:
    """Where the parts of one machine are: its sockets, in a folder with a short name, and its files."""

    sockets: Path
    files: Path
    name: str

    @property
    def console(self) -> Path:
        """What the machine wrote to its serial port."""
        return self.files / f"{self.name}.console"

    @property
    def complaints(self) -> Path:
        """What QEMU itself says."""
        return self.files / f"{self.name}.qemu"

    @property
    def variables(self) -> Path:
        """UEFI's, a copy for this machine."""
        return self.files / f"{self.name}.variables"

    @property
    def socket(self) -> Path:
        """The serial console."""
        return self.sockets / f"{self.name}.c"

    @property
    def control(self) -> Path:
        """QEMU's monitor."""
        return self.sockets / f"{self.name}.q"


@contextlib.contextmanager
def launch_device(spec: DeviceSpec, folder: Path, ledger: Ledger) -> Iterator[Device]:
    """Start all machines of a device, and end them, whatever happens. Raises LabwrightError where QEMU does not start.

    Sockets are in a folder that only we can enter, with a short name: a path of one has at most 107 bytes (unix(7)).
    """
    find_tool("qemu-system-x86_64")
    folder.mkdir(parents=True, exist_ok=True)
    forwarded = (*spec.hardware.ports.items(), (KNOCK, CLOSED_PORT))
    with contextlib.ExitStack() as stack:
        sockets = socket_folder()
        stack.enter_context(ledger.hold("folder", sockets))
        sockets.mkdir(mode=0o700)
        reserved = stack.enter_context(reserved_ports(len(forwarded)))
        ports = {name: port for (name, _), port in zip(forwarded, reserved, strict=True)}
        forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{ports[name]}-:{inside}" for name, inside in forwarded)
        disks = {
            name: disk if spec.written else overlay_of(disk, folder / f"{name}.qcow2")
            for name, disk in spec.disks.items()
        }
        macs = itertools.count(spec.first_mac)
        running, monitors, opened = {}, {}, set[str]()
        for index, machine in enumerate(spec.hardware.machines):
            place = Place(sockets, folder, machine.name)
            if machine.firmware == "uefi":
                shutil.copyfile(find_ovmf()[1], place.variables)
            words = command_line(spec, machine, place, disks)
            words += _serial(place, spec.console if index == 0 else "file")
            words += _networks(machine, spec, forwards, sockets, macs, opened)
            process = stack.enter_context(start(f"{spec.name}-{machine.name}", words, place.complaints, ledger))
            here = Running(process, place.console, place.complaints, time.monotonic())
            running[machine.name] = here
            try:
                monitors[machine.name] = stack.enter_context(monitor(place.control, process))
            except LabwrightError as error:
                said = place.complaints.read_text(errors="replace").splitlines()
                raise LabwrightError(
                    f"QEMU does not start the machine {machine.name}", cause=Cause.HOST, details=said[-5:],
                    hint="the lines above are QEMU's: is there enough memory, does it know this hardware?",
                ) from error  # fmt: skip
        yield Device(running, monitors, ports, Place(sockets, folder, spec.hardware.machines[0].name).socket)


def mac_of(number: int) -> str:
    """A locally administered MAC address."""
    return f"52:54:00:4c:58:{number:02x}"


def socket_folder() -> Path:
    """Where a folder of ours with a short path can be made; nobody else knows its name before it is there."""
    place = Path(tempfile.gettempdir())
    if len(str(place)) > LONGEST_FOLDER or "," in str(place):
        place = Path("/tmp")  # noqa: S108 - the folder below it is ours alone
    return place / f"lw-{secrets.token_hex(8)}"


def power_off(device: Device, seconds: float) -> bool:
    """Press the power button of every machine: whether all are off within this time."""
    for control in device.monitors.values():
        control.execute("system_powerdown")
    return wait_for_power_off(device, seconds)


def wait_for_power_off(device: Device, seconds: float) -> bool:
    """Whether every machine reports that it has shut down, and QEMU ends, in this time. One that crashed did not."""
    limit = Deadline(seconds)
    if not all(_shut_down(device, name, limit.left) for name in device.machines):
        return False
    return all(wait_for_end(machine, END_SECONDS) for machine in device.machines.values())


def _shut_down(device: Device, name: str, seconds: float) -> bool:
    return device.machines[name].process.poll() == 0 or device.monitors[name].wait_for("SHUTDOWN", seconds)


def is_off(device: Device) -> bool:
    """Whether the machine with the console has shut down: commands typed there end that one and no other."""
    return _shut_down(device, next(iter(device.machines)), 0)


def end(device: Device) -> None:
    """Switch every machine off as pulling the plug does, with what it wrote on its disks.

    Raises LabwrightError (host) where QEMU does not end: it is still writing.
    """
    for name, control in device.monitors.items():
        if device.machines[name].running:
            # It may be about to end by itself; whether it does is seen below.
            with contextlib.suppress(LabwrightError):
                control.execute("quit")
    for name, machine in device.machines.items():
        if not wait_for_end(machine, END_SECONDS):
            raise LabwrightError(
                f"QEMU is still writing the disks of {name} after {END_SECONDS:.0f} s", cause=Cause.HOST,
                hint="is the host's disk slow or full? Run it again when it is idle",
            )  # fmt: skip


def command_line(spec: DeviceSpec, machine: MachineHardware, place: Place, disks: Mapping[str, Path]) -> list[str]:
    """QEMU's arguments for one machine, but for its console and its networks. Nothing in them listens on a network."""
    name, comma, features = machine.model.partition(",")
    # Only KVM has the host's own processor.
    model = f"max{comma}{features}" if spec.accelerator != "kvm" and name == "host" else machine.model
    words = [
        "qemu-system-x86_64", "-name", escaped(f"{spec.name}-{machine.name}"), "-nodefaults", "-no-user-config",
        "-display", "none", "-machine", machine.board, "-accel", spec.accelerator, "-cpu", model,
        "-smp", str(machine.processors), "-m", str(machine.memory), "-device", "VGA",
        "-qmp", f"unix:{escaped(place.control)},server=on,wait=off",
    ]  # fmt: skip
    if machine.firmware == "uefi":
        words += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={find_ovmf()[0]}"]
        words += ["-drive", f"if=pflash,format=raw,unit=1,file={escaped(place.variables)}"]
    for value in machine.smbios:
        words += ["-smbios", value]
    words += _disks(spec, machine, disks)
    if spec.resume:
        words += ["-loadvm", spec.resume]
    return words


def _disks(spec: DeviceSpec, machine: MachineHardware, disks: Mapping[str, Path]) -> list[str]:
    """Disks in their order, each on the next seat of its bus; a CD with configuration on one more."""
    words: list[str] = []
    buses = {disk.bus for disk in machine.disks}
    if "scsi" in buses:
        words += ["-device", "virtio-scsi-pci,id=scsi"]
    if "sata" in buses and machine.board == "pc":
        words += ["-device", "ich9-ahci,id=sata"]
    taken: Counter[str] = Counter()
    for index, disk in enumerate(machine.disks):
        kind = spec.format if spec.written else "qcow2"
        words += ["-drive", f"if=none,id=disk{index},file={escaped(disks[disk.name])},format={kind},discard=unmap"]
        seat = _seat(machine, disk.bus, taken)
        words += ["-device", f"{DISKS[disk.bus]},drive=disk{index},bootindex={index + 1}{seat}"]
    if machine.config and machine.name in spec.config:
        drive = f"if=none,id=config,file={escaped(spec.config[machine.name])},format=raw,readonly=on"
        words += ["-drive", drive]
        if machine.config.format == "iso":
            words += ["-device", f"ide-cd,drive=config{_seat(machine, 'ide', taken)}"]
        else:
            words += ["-device", "qemu-xhci,id=usb", "-device", "usb-storage,drive=config"]
    return words


def _seat(machine: MachineHardware, bus: str, taken: Counter[str]) -> str:
    """The next place on a bus, as an option. q35 has a controller of SATA and none of IDE: both hang on that."""
    if bus not in SEATS:
        return ""
    ahci = machine.board == "q35" or bus == "sata"
    controller = "ide" if machine.board == "q35" or bus == "ide" else "sata"
    number = taken[controller]
    taken[controller] += 1
    return f",bus={controller}.{number}" if ahci else f",bus=ide.{number // 2},unit={number % 2}"


def _serial(place: Place, console: str) -> list[str]:
    if console == "file":
        return ["-serial", f"file:{escaped(place.console)}"]
    return [
        "-chardev",
        f"socket,id=console,path={escaped(place.socket)},server=on,wait=off",
        "-serial",
        "chardev:console",
    ]


def _networks(
    machine: MachineHardware, spec: DeviceSpec, forwards: str, sockets: Path, macs: Iterator[int], opened: set[str]
) -> list[str]:
    """Interfaces in bus order. Data interfaces hang on a wire with no other end, so that their links are up."""
    words: list[str] = []
    for index, role in enumerate(each_role(machine.nics, spec.data)):
        if role == MANAGEMENT:
            backend = f"user,id=n{index},restrict=on,ipv6=off,{forwards}"
        elif role in {DATA, UNUSED}:
            backend = f"hubport,id=n{index},hubid={index}"
        else:
            server = "on" if role not in opened else "off"
            opened.add(role)
            backend = f"stream,id=n{index},server={server},addr.type=unix,addr.path={escaped(sockets / role[5:])}"
        words += ["-netdev", backend]
        words += ["-device", f"{machine.nic},netdev=n{index},mac={mac_of(next(macs))},romfile="]
    return words


def each_role(roles: Sequence[str], data: int) -> list[str]:
    """Each interface's role: `data` stands for all of them."""
    return [each for role in roles for each in ([DATA] * data if role == DATA else [role])]
