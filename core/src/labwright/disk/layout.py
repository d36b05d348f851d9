"""The partition table: a GPT that boots with BIOS and with UEFI, with the root last so that it can grow."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench

SECTOR = 512
MIB = 1024 * 1024
ALIGNMENT = MIB // SECTOR
BACKUP_SECTORS = 33
"""The second copy of the GPT at the end of the disk: 32 sectors of entries and a header."""

BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
EFI_SYSTEM = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LINUX_ROOT = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
"""Root (x86-64) of the Discoverable Partitions Specification: systemd finds it without an fstab."""

NAMESPACE = uuid.UUID("5f0e4b52-9d6a-4b7e-8f4b-6c2f1f0a7d11")
"""Ours alone; every identifier in an image is a uuid5 of this and of the image's seed."""


def identifier(seed: str, purpose: str) -> uuid.UUID:
    """The UUID for one purpose in the image with this seed: the same seed always gives the same one."""
    return uuid.uuid5(NAMESPACE, f"{seed}/{purpose}")


@dataclass(frozen=True)
class Partition:
    """One partition. start, sectors: in units of 512 bytes. kind: the GPT type."""

    name: str
    kind: str
    start: int
    sectors: int
    identity: uuid.UUID

    @property
    def offset(self) -> int:
        """Where it starts on the disk, in bytes."""
        return self.start * SECTOR

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.sectors * SECTOR


@dataclass(frozen=True)
class Layout:
    """A disk of `size` bytes with its three partitions."""

    identity: uuid.UUID
    size: int
    bios: Partition
    esp: Partition
    root: Partition

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """In the order of their numbers, from 1."""
        return self.bios, self.esp, self.root


def plan_layout(seed: str, size_gib: int) -> Layout:
    """The layout of a disk of `size_gib` GiB; every identifier comes from `seed`. Raises LabwrightError (config)."""
    if size_gib < 1:
        raise LabwrightError(
            f"a disk of {size_gib} GiB is too small", cause=Cause.CONFIG, hint="set build.diskSize to 1 or more"
        )
    size = size_gib * 1024 * MIB
    bios_start, bios_sectors = ALIGNMENT, ALIGNMENT
    esp_start, esp_sectors = bios_start + bios_sectors, 16 * ALIGNMENT
    root_start = esp_start + esp_sectors
    room = size // SECTOR - BACKUP_SECTORS - root_start
    root_sectors = room // ALIGNMENT * ALIGNMENT

    def partition(name: str, kind: str, start: int, sectors: int) -> Partition:
        return Partition(name, kind, start, sectors, identifier(seed, f"partition {name}"))

    return Layout(
        identifier(seed, "disk"),
        size,
        partition("bios", BIOS_BOOT, bios_start, bios_sectors),
        partition("esp", EFI_SYSTEM, esp_start, esp_sectors),
        partition("root", LINUX_ROOT, root_start, root_sectors),
    )


def sfdisk_script(layout: Layout) -> str:
    """The layout in the language of sfdisk(8)."""
    head = ["label: gpt", f"label-id: {str(layout.identity).upper()}", "unit: sectors", ""]
    lines = [
        f"start={part.start}, size={part.sectors}, type={part.kind}, "
        f"uuid={str(part.identity).upper()}, name={part.name}"
        for part in layout.partitions
    ]
    return "\n".join([*head, *lines, ""])


def write_table(layout: Layout, raw: Path, bench: Workbench) -> None:
    """Make `raw` a sparse file of the layout's size with its partition table. Raises LabwrightError."""
    with raw.open("wb") as stream:
        stream.truncate(layout.size)
    bench.run(
        ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", raw],
        stdin=sfdisk_script(layout),
        timeout=60,
        what="writing the partition table failed",
    )
