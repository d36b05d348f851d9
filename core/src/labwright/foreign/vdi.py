"""vdi: VirtualBox's disk image, a header and one map of blocks."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from labwright.foreign.reader import DAMAGED, Reader

SIGNATURE = 0xBEDA107F
SIGNATURE_OFFSET = 64
HEADER = struct.Struct("<IIIII256sIIIIIIIQIIII16s16s16s16s")
"""signature, version, header size, type, flags, comment, offsets of map and data, cylinders, heads, sectors, sector
size, unused, disk size, block size, extra, blocks, blocks allocated, and the UUIDs of image, snapshot, link, parent."""
VERSION = 0x00010001
BLOCK = 1 << 20
TYPES = {1: "dynamic", 2: "fixed"}
UNALLOCATED, DISCARDED = 0xFFFFFFFF, 0xFFFFFFFE
COPY_WHOLE = "clone it in VirtualBox, without its snapshots: VBoxManage clonemedium FILE NEW.vdi"


@dataclass(frozen=True)
class Header:
    """virtual_size: bytes. map_offset, data_offset: bytes. blocks: of 1 MiB."""

    virtual_size: int
    map_offset: int
    data_offset: int
    blocks: int


def read_header(reader: Reader) -> Header:
    """Read the header. Raises LabwrightError (config) for one that stands on another, or that QEMU reads otherwise."""
    fields = HEADER.unpack(reader.at(SIGNATURE_OFFSET, HEADER.size, "header"))
    signature, version, _, kind, _, _, map_offset, data_offset, _, _, _, sector, _, size, block, _, blocks = fields[:17]
    _, _, link, parent = fields[18:]
    checks = (
        (signature != SIGNATURE, "it is not a vdi image", DAMAGED),
        (version != VERSION, f"its vdi version is {version >> 16}.{version & 0xFFFF}; 1.1 can be read", COPY_WHOLE),
        (kind not in TYPES or any(link) or any(parent), "it holds only the differences to another disk", COPY_WHOLE),
        (size == 0, "its disk has 0 bytes", DAMAGED),
        (sector != 512, f"its sectors have {sector} bytes", COPY_WHOLE),
        (block != BLOCK, f"its blocks have {block} bytes; 1 MiB can be read", COPY_WHOLE),
        (map_offset % 512 != 0 or map_offset == 0, f"its map is at byte {map_offset}, no sector's beginning", DAMAGED),
        (blocks != -(-size // BLOCK), f"its map has {blocks} blocks, and its disk {-(-size // BLOCK)}", DAMAGED),
    )
    for wrong, why, remedy in checks:
        if wrong:
            raise reader.refuse(why, remedy)
    return Header(size, map_offset, data_offset, blocks)


def check_tables(reader: Reader, header: Header) -> int:
    """Check that all blocks are in the file, each once. Returns the bytes of the disk that have data."""
    table = reader.numbers(header.map_offset, header.blocks, "I", "map of blocks")
    used = [entry for entry in table if entry < DISCARDED]
    if len(set(used)) != len(used):
        raise reader.refuse("its map has the same block twice", DAMAGED)
    if used:
        reader.need(header.data_offset + max(used) * BLOCK, 1, "data")
    return min(len(used) * BLOCK, header.virtual_size)
