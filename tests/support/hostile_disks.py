"""vdi, vhd and vhdx images that try something: sound ones, made by qemu-img and changed."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from labwright.foreign.vhdx import PARENT, checksum
from support.hostile import case, put, write

SIZE = "64M"
VDI_MAP = 512
HEADERS = (64 << 10, 128 << 10)
REGIONS = 192 << 10
TABLE, METADATA = 2 << 20, 3 << 20
"""Where qemu-img puts these of a vhdx."""


def made(folder: Path, kind: str, end: str, *options: str) -> bytes:
    path = folder / f"disk.{end}"
    words = [word for option in options for word in ("-o", option)]
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, *words, path, SIZE], check=True)
    return path.read_bytes()


def vdi(folder: Path, offset: int, piece: bytes) -> Path:
    return write(folder / "disk.vdi", put(made(folder, "vdi", "vdi"), offset, piece))


def vhd(folder: Path, offset: int, piece: bytes, fixed: bool = False, mend: bool = True) -> Path:
    """A change in the footer, or for a dynamic disk in the header behind its copy; mend: with the right checksum."""
    data = made(folder, "vpc", "vhd", *(["subformat=fixed"] if fixed else []))
    data = put(data, len(data) - 512 + offset if fixed else offset, piece)
    if mend:
        places = [(len(data) - 512 if fixed else 0, 512, 64)] + ([] if fixed else [(512, 1024, 36)])
        for start, length, place in places:
            block = put(data[start : start + length], place, bytes(4))
            data = put(data, start + place, struct.pack(">I", ~sum(block) & 0xFFFFFFFF))
    return write(folder / "disk.vhd", data)


def vhdx(folder: Path, offset: int, piece: bytes) -> Path:
    data = put(made(folder, "vhdx", "vhdx"), offset, piece)
    for start, length in (*((place, 4096) for place in HEADERS), (REGIONS, 64 << 10)):
        data = put(data, start + 4, struct.pack("<I", checksum(data[start : start + length])))
    return write(folder / "disk.vhdx", data)


@case
def vdi_differences(folder: Path) -> Path:
    """Holds the differences to another disk."""
    return vdi(folder, 0x4C, struct.pack("<I", 4))


@case
def vdi_parent(folder: Path) -> Path:
    """Names a parent and says that it is whole."""
    return vdi(folder, 0x1B8, b"parent-of-16-byt")


@case
def vdi_map_outside(folder: Path) -> Path:
    """Has its map of blocks behind its end."""
    return vdi(folder, 0x154, struct.pack("<I", 0xFFFFFE00))


@case
def vdi_blocks_outside(folder: Path) -> Path:
    """Has a block of data far behind its end."""
    return vdi(folder, VDI_MAP, struct.pack("<I", 0x7FFFFFFF))


@case
def vdi_bomb(folder: Path) -> Path:
    """Shows the same block sixty times."""
    return vdi(folder, VDI_MAP, struct.pack("<I", 0) * 64)


@case
def vdi_disk_of_exabytes(folder: Path) -> Path:
    """Has a disk of 4 EiB and a map that is far smaller."""
    return vdi(folder, 0x170, struct.pack("<Q", 1 << 62))


@case
def vdi_blocks_of_another_size(folder: Path) -> Path:
    """Has blocks of 512 bytes, so that places are reckoned otherwise."""
    return vdi(folder, 0x178, struct.pack("<I", 512))


@case
def vdi_version_9(folder: Path) -> Path:
    """Is of a version that nobody knows."""
    return vdi(folder, 0x44, struct.pack("<I", 9 << 16))


@case
def vhd_differences(folder: Path) -> Path:
    """Holds the differences to another disk."""
    return vhd(folder, 60, struct.pack(">I", 4))


@case
def vhd_parent(folder: Path) -> Path:
    """Names a parent and says that it is whole."""
    return vhd(folder, 512 + 64, "C:\\secret.vhd".encode("utf-16-be"))


@case
def vhd_checksum_wrong(folder: Path) -> Path:
    """Has another size than when its checksum was made."""
    return vhd(folder, 48, struct.pack(">Q", 1 << 30), mend=False)


@case
def vhd_table_outside(folder: Path) -> Path:
    """Has its table of blocks behind its end."""
    return vhd(folder, 512 + 16, struct.pack(">Q", 1 << 50))


@case
def vhd_header_outside(folder: Path) -> Path:
    """Has its dynamic header at the end of the number space."""
    return vhd(folder, 16, struct.pack(">Q", (1 << 64) - 1024))


@case
def vhd_table_vast(folder: Path) -> Path:
    """Has a table of 16 GiB, to fill the memory."""
    return vhd(folder, 512 + 28, struct.pack(">I", 0xFFFFFFFF))


@case
def vhd_blocks_outside(folder: Path) -> Path:
    """Has a block far behind its end."""
    return vhd(folder, 1536, struct.pack(">I", 0xFFFFFFF0))


@case
def vhd_bomb(folder: Path) -> Path:
    """Shows the same block thirty times."""
    return vhd(folder, 1536, struct.pack(">I", 4) * 30)


@case
def vhd_blocks_vast(folder: Path) -> Path:
    """Has blocks of 2 GiB."""
    return vhd(folder, 512 + 32, struct.pack(">I", 1 << 31))


@case
def vhd_fixed_larger_than_itself(folder: Path) -> Path:
    """Is a fixed disk of 64 MiB and says 1 TiB."""
    return vhd(folder, 48, struct.pack(">Q", 1 << 40), fixed=True)


@case
def vhd_fixed_that_says_dynamic(folder: Path) -> Path:
    """Begins as a fixed disk and ends as a dynamic one."""
    return vhd(folder, 60, struct.pack(">I", 3), fixed=True)


@case
def vhdx_differences(folder: Path) -> Path:
    """Holds the differences to another disk."""
    return vhdx(folder, METADATA + (64 << 10) + 4, struct.pack("<I", 2))


@case
def vhdx_parent(folder: Path) -> Path:
    """Names a parent and says that it is whole."""
    return vhdx(folder, METADATA + 32 + 2 * 32, PARENT)


@case
def vhdx_log(folder: Path) -> Path:
    """Has a log with changes, which would be written into it."""
    data = bytes(made(folder, "vhdx", "vhdx"))
    for place in HEADERS:
        data = put(data, place + 48, b"log-of-16-bytes!")
        data = put(data, place + 4, struct.pack("<I", checksum(data[place : place + 4096])))
    return write(folder / "disk.vhdx", data)


@case
def vhdx_checksums_wrong(folder: Path) -> Path:
    """Has no sound header."""
    data = made(folder, "vhdx", "vhdx")
    for place in HEADERS:
        data = put(data, place + 8, b"\xff")
    return write(folder / "disk.vhdx", data)


@case
def vhdx_region_outside(folder: Path) -> Path:
    """Has its metadata behind its end."""
    return vhdx(folder, REGIONS + 16 + 32 + 16, struct.pack("<Q", 1 << 50))


@case
def vhdx_regions_vast(folder: Path) -> Path:
    """Has four billion regions."""
    return vhdx(folder, REGIONS + 8, struct.pack("<I", 0xFFFFFFFF))


@case
def vhdx_unknown_region(folder: Path) -> Path:
    """Has a region that nobody knows."""
    return vhdx(folder, REGIONS + 16, b"region-16-bytes!")


@case
def vhdx_metadata_outside(folder: Path) -> Path:
    """Has the size of its disk in a place outside of its metadata."""
    return vhdx(folder, METADATA + 32 + 32 + 16, struct.pack("<I", 0xFFFFFFF0))


@case
def vhdx_blocks_outside(folder: Path) -> Path:
    """Has a block far behind its end."""
    return vhdx(folder, TABLE, struct.pack("<Q", 6 | 1 << 50))


@case
def vhdx_bomb(folder: Path) -> Path:
    """Shows the same block twice and more."""
    return vhdx(folder, TABLE, struct.pack("<Q", 6 | 4 << 20) * 8)


@case
def vhdx_disk_of_exabytes(folder: Path) -> Path:
    """Has a disk of 4 EiB and a table that is far smaller."""
    return vhdx(folder, METADATA + (64 << 10) + 8, struct.pack("<Q", 1 << 62))
