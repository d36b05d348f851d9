"""One virtual machine: what it is made of, QEMU's command line for it, and its life from start to end."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import environment, find_tool
from labwright.host.ledger import Ledger
from labwright.host.run import run
from labwright.host.teardown import MARK_VARIABLE

Firmware = Literal["bios", "uefi", "direct"]
FIRST_SLOT = 4
"""The first PCI slot for network interfaces: the ones below belong to the machine itself."""

OVMF = (
    (Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")),
    (Path("/usr/share/OVMF/OVMF_CODE.fd"), Path("/usr/share/OVMF/OVMF_VARS.fd")),
    (Path("/usr/share/edk2/ovmf/OVMF_CODE.fd"), Path("/usr/share/edk2/ovmf/OVMF_VARS.fd")),
)
APPEND = "root=/dev/vda3 rw console=ttyS0,115200 net.ifnames=0 no_timer_check quiet"


@dataclass(frozen=True)
class Nic:
    """A network interface. slot: its place on the PCI bus. backend: the -netdev it hangs on."""

    mac: str
    slot: int
    backend: str


@dataclass(frozen=True)
class MachineSpec:
    """A machine. backends: QEMU -netdev values, each with its id. memory: MiB. kernel: for direct boot.

    larger: MiB by which the disk is larger than the image. written: the machine writes to the image itself, which is
    raw then, instead of to an overlay that is thrown away. reboots: it may, as one that labels its files does first.
    """

    name: str
    image: Path
    accelerator: str
    firmware: Firmware = "bios"
    memory: int = 128
    nics: tuple[Nic, ...] = ()
    backends: tuple[str, ...] = ()
    kernel: Path | None = None
    larger: int = 0
    written: bool = False
    reboots: bool = False


@dataclass(frozen=True)
class Running:
    """A machine that runs. console: what it wrote to its serial port. complaints: what QEMU itself says.

    started: the moment of power-on, time.monotonic().
    """

    process: subprocess.Popen[bytes]
    console: Path
    complaints: Path
    started: float

    @property
    def running(self) -> bool:
        """Whether QEMU still runs."""
        return self.process.poll() is None

    @property
    def age(self) -> float:
        """Seconds since power-on."""
        return time.monotonic() - self.started


@dataclass(frozen=True)
class Machine(Running):
    """A running machine of one disk."""

    spec: MachineSpec


def command_line(spec: MachineSpec, disk: Path, console: Path, variables: Path | None) -> list[str]:
    """QEMU's arguments. Nothing listens but what the backends name; there is no monitor."""
    words = [
        "qemu-system-x86_64", "-name", spec.name, "-nodefaults", "-no-user-config", "-display", "none",
        "-machine", "q35", "-accel", spec.accelerator, "-cpu", "host" if spec.accelerator == "kvm" else "max",
        "-smp", "1", "-m", str(spec.memory), "-device", "VGA", "-serial", f"file:{escaped(console)}",
        "-monitor", "none", *(() if spec.reboots else ("-no-reboot",)),
        "-drive", f"if=none,id=disk,file={escaped(disk)},format={'raw' if spec.written else 'qcow2'},discard=unmap",
        "-device", "virtio-blk-pci,drive=disk,addr=0x2", "-device", "virtio-rng-pci,addr=0x3",
    ]  # fmt: skip
    if spec.firmware == "uefi":
        code, _ = find_ovmf()
        words += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}"]
        words += ["-drive", f"if=pflash,format=raw,unit=1,file={escaped(variables)}"]
    if spec.firmware == "direct":
        words += ["-kernel", str(spec.kernel), "-append", APPEND]
    for backend in spec.backends:
        words += ["-netdev", backend]
    for nic in spec.nics:
        words += ["-device", f"virtio-net-pci,netdev={nic.backend},mac={nic.mac},addr={nic.slot:#x},romfile="]
    return words


def escaped(path: Path | str | None) -> str:
    """A path as part of an option of QEMU's, where a comma would begin the next one."""
    return str(path).replace(",", ",,")


def find_ovmf() -> tuple[Path, Path]:
    """UEFI firmware for QEMU: code and empty variables. Raises LabwrightError when it is not installed."""
    for code, variables in OVMF:
        if code.exists() and variables.exists():
            return code, variables
    raise LabwrightError("no UEFI firmware for QEMU", cause=Cause.HOST, hint="install it: apt-get install ovmf")


@contextlib.contextmanager
def launch(spec: MachineSpec, folder: Path, ledger: Ledger) -> Iterator[Machine]:
    """Start a machine on a throw-away overlay of its image, and end it, whatever happens.

    The image itself is not written, unless the machine is to. Raises LabwrightError when QEMU does not start.
    """
    find_tool("qemu-system-x86_64")
    folder.mkdir(parents=True, exist_ok=True)
    console, complaints = folder / "console", folder / "qemu"
    disk = spec.image if spec.written else overlay_of(spec.image, folder / "overlay.qcow2", spec.larger)
    variables = None
    if spec.firmware == "uefi":
        variables = folder / "variables"
        shutil.copyfile(find_ovmf()[1], variables)
    with start(spec.name, command_line(spec, disk, console, variables), complaints, ledger) as process:
        yield Machine(process, console, complaints, time.monotonic(), spec)


@contextlib.contextmanager
def start(
    name: str, words: Sequence[str], complaints: Path, ledger: Ledger, files: Sequence[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """QEMU with these arguments, which ends with the body, and with us whatever happens to us.

    files: descriptors of ours that it keeps.
    """
    mark = f"vm-{name}-{time.monotonic_ns()}"
    with ledger.hold("process", mark), complaints.open("wb") as stream:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *words],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=environment() | {MARK_VARIABLE: mark},
            start_new_session=True,
            pass_fds=files,
            # Its sockets are for us alone: the monitor can do anything with the machine.
            umask=0o077,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def overlay_of(image: Path, overlay: Path, larger: int = 0) -> Path:
    """A throw-away overlay of a qcow2 image. larger: MiB by which its disk is."""
    run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image.absolute(), overlay],
        what=f"no overlay of {image} can be made",
    )
    if larger:
        run(["qemu-img", "resize", "-q", "-f", "qcow2", overlay, f"+{larger}M"], what="the disk cannot be larger")
    return overlay


def wait_for_end(machine: Running, seconds: float) -> bool:
    """Whether the machine powers itself off within this time."""
    try:
        machine.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
