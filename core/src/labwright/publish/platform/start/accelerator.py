"""KVM only after it has really run a guest: /dev/kvm can be there and open while a guest hangs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

QEMU = "/usr/bin/qemu-system-x86_64"
DEVICE = Path("/dev/kvm")
SECTOR = Path("/usr/lib/labwright/sector")
"""A guest of 512 bytes that says a word and leaves (labwright.vm.accelerator.boot_sector)."""
WORD = b"labwright"
LIMIT = 5.0


def choose(wanted: str, folder: Path) -> tuple[str, str]:
    """kvm or tcg, and why. wanted: auto, kvm or tcg. folder: for a file that the tiny guest writes."""
    if wanted != "auto":
        return wanted, "as LABWRIGHT_ACCELERATOR says"
    if not DEVICE.exists():
        return "tcg", "there is no /dev/kvm, so the processor is emulated"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return "tcg", "/dev/kvm cannot be opened by this user, so the processor is emulated"
    failure = _tried(folder / "serial")
    return ("tcg", f"/dev/kvm runs no guest ({failure}), so the processor is emulated") if failure else ("kvm", "works")


def _tried(serial: Path) -> str:
    try:
        subprocess.run(
            [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-m", "16", "-accel", "kvm",
             "-drive", f"file={SECTOR},format=raw,if=ide,snapshot=on", "-serial", f"file:{serial}",
             "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-no-reboot"],
            timeout=LIMIT, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"it hung for {LIMIT:.0f} s"
    except OSError as error:
        return str(error)
    return "" if serial.is_file() and WORD in serial.read_bytes() else "it wrote nothing"
