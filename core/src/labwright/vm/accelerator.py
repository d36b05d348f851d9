"""KVM or emulation: KVM only after it has really run a guest, and how much slower than usual this host is.

/dev/kvm can be there and open while a guest hangs or QEMU aborts, so its existence proves nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.files import write_whole
from labwright.host.run import run
from labwright.interfaces import Workbench

MARKER = "labwright"
DEVICE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
KVM_LIMIT = 5.0
TCG_LIMIT = 120.0
REFERENCE_SECONDS = 0.9
"""What the tiny guest takes under emulation on an idle machine of 2020; slower hosts get longer time limits."""
EMULATED = 8.0
"""How much longer than with KVM a boot takes without it, at least (measured: Debian 2 s and 16 s)."""


def boot_sector() -> bytes:
    """A guest of 512 bytes: counts to eight million, writes the marker to the serial port, leaves QEMU.

    Real mode; the BIOS loads it to 0x7c00. Leaving is a write to the isa-debug-exit device at port 0xf4.
    """
    count = bytes.fromhex(
        "b90800"  # mov cx, 8
        "66bb40420f00"  # mov ebx, 1000000
        "664b 75fc"  # dec ebx; jnz to the dec
        "e2f4"  # loop to the mov ebx
    )
    head = bytes.fromhex("fa 31c0 8ed8 fc") + count  # cli; ds = 0; cld
    write = bytes.fromhex(
        "baf803"  # mov dx, 0x3f8: the first serial port
        "ac 84c0 7403 ee ebf8"  # lodsb; end at the zero byte; out dx, al; again
    )
    leave = bytes.fromhex("b000 baf400 ee f4 ebfd")  # out 0xf4, 0; then halt for ever
    text_at = 0x7C00 + len(head) + 3 + len(write) + len(leave)
    code = head + b"\xbe" + text_at.to_bytes(2, "little") + write + leave + MARKER.encode() + b"\0"
    return code.ljust(510, b"\0") + b"\x55\xaa"


@dataclass(frozen=True)
class Accelerator:
    """name: kvm or tcg, as QEMU calls them. factor: by which time limits are multiplied. reason: why this one."""

    name: str
    factor: float
    reason: str


def slower(accelerator: Accelerator) -> float:
    """By what the time limits of a boot are multiplied, which are for KVM on an idle machine."""
    return 1.0 if accelerator.name == "kvm" else EMULATED * accelerator.factor


def try_accelerator(name: str, limit: float) -> tuple[float, str]:
    """Run the tiny guest: seconds that it took, or 0 and why it failed."""
    with tempfile.TemporaryDirectory(prefix="labwright-") as folder:
        disk, serial = Path(folder, "sector"), Path(folder, "serial")
        disk.write_bytes(boot_sector())
        started = time.monotonic()
        try:
            run(
                ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-m", "16",
                 "-accel", name, "-drive", f"file={disk},format=raw,if=ide,snapshot=on",
                 "-serial", f"file:{serial}", "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-no-reboot"],
                accept=(1,),
                timeout=limit,
            )  # fmt: skip
        except LabwrightError as error:
            words = [line for line in error.details if line.strip()]
            hung = time.monotonic() - started >= limit
            return 0.0, f"it hung for {limit:.0f} s" if hung else words[-1] if words else error.what
        seconds = time.monotonic() - started
        said = serial.read_text(errors="replace") if serial.exists() else ""
        return (seconds, "") if MARKER in said else (0.0, "the guest wrote nothing to its serial port")


def probe_kvm() -> tuple[bool, str]:
    """Whether KVM runs a guest, and in words what happened."""
    if not DEVICE.exists():
        return False, "there is no /dev/kvm"
    seconds, failure = try_accelerator("kvm", KVM_LIMIT)
    return (False, f"/dev/kvm is there, but a tiny guest fails: {failure}") if failure else (True, f"{seconds:.1f} s")


def kvm_works(bench: Workbench) -> tuple[bool, str]:
    """As probe_kvm; that it does not is remembered until this machine starts again or its /dev/kvm is another."""
    memory = bench.downloads / "kvm.json"
    try:
        device = DEVICE.stat()
        now = [BOOT_ID.read_text().strip(), device.st_ctime_ns, device.st_mode, os.geteuid()]
    except OSError:
        return probe_kvm()
    try:
        known = json.loads(memory.read_text())
        if known["seen"] == now:
            return False, str(known["words"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    bench.say("trying KVM with a tiny guest")
    works, words = probe_kvm()
    if not works:
        write_whole(memory, json.dumps({"seen": now, "words": words}))
    return works, words


def choose_accelerator(bench: Workbench) -> Accelerator:
    """KVM if it works, else emulation, measured. Raises LabwrightError when neither runs a guest."""
    works, words = kvm_works(bench)
    if works:
        return Accelerator("kvm", 1.0, f"a tiny guest ran in {words}")
    seconds, failure = try_accelerator("tcg", TCG_LIMIT)
    if failure:
        raise LabwrightError(f"QEMU runs no guest here: {failure}", cause=Cause.HOST, hint="labwright doctor")
    factor = max(1.0, seconds / REFERENCE_SECONDS)
    return Accelerator("tcg", round(factor, 2), f"{words}; emulated, it ran in {seconds:.1f} s")
