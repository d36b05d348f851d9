"""With which firmware a disk can boot, by what is on it."""

from __future__ import annotations

from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.guest.content import read_content
from labwright.interfaces import Workbench
from labwright.vm.machine import Firmware

CODE = 440
"""Bytes of a master boot record that hold a program (UEFI specification 2.10, table 5.1)."""
LOADER = "::/EFI/BOOT/BOOTX64.EFI"
"""Where firmware that knows no boot entries looks on an EFI system partition."""


def firmwares_of(disk: Path, bench: Workbench) -> tuple[Firmware, ...]:
    """bios where its first sector holds a program, uefi where an EFI system partition holds the fallback loader.

    Raises LabwrightError (config) for a disk that boots with neither.
    """
    found: list[Firmware] = []
    with disk.open("rb") as stream:
        if any(stream.read(CODE)):
            found.append("bios")
    for part in read_content(disk, bench).parts:
        if part.filesystem == "vfat":
            listed = bench.run(["mdir", "-i", f"{disk}@@{part.offset}", "-b", LOADER], accept=range(256), timeout=60)
            if listed.code == 0:
                found.append("uefi")
                break
    if not found:
        raise LabwrightError(
            "the disk does not boot: it has neither a boot loader for BIOS nor one for UEFI at its fallback place",
            cause=Cause.CONFIG,
            hint="is it a data disk, or a disk without its boot disk? Name the disk that boots",
        )
    return tuple(found)
