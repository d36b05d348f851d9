"""vhd (QEMU: vpc): a fixed disk with a footer, or a dynamic one (Microsoft's Virtual Hard Disk Image Format 1.0)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from labwright.foreign.model import in_words
from labwright.foreign.reader import DAMAGED, Reader

COOKIE = b"conectix"
FOOTER_SIZE = 512
FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBIII16sB")
"""cookie, features, version, data offset, time, creator, its version and host, original and current size, cylinders,
heads, sectors, type, checksum, UUID, saved state."""
CHECKSUM_OFFSET = 64
DYNAMIC = struct.Struct(">8sQQIIII")
"""cookie, data offset, table's offset, version, entries, block size, checksum."""
DYNAMIC_SIZE = 1024
DYNAMIC_CHECKSUM_OFFSET = 36
PARENT_OFFSET, PARENT_END = 40, 768
"""UUID, time, name and locators of a parent."""
FIXED, GROWING, DIFFERENCES = 2, 3, 4
UNALLOCATED = 0xFFFFFFFF
SECTOR = 512
SMALLEST_BLOCK, LARGEST_BLOCK = 512 << 10, 256 << 20
"""Bytes; 512 KiB and 2 MiB are in use, and smaller ones would need vast tables."""
COPY_WHOLE = "merge it with its parent where it comes from (Hyper-V: Edit Disk, Merge; VBoxManage clonemedium)"


@dataclass(frozen=True)
class Header:
    """virtual_size: bytes. The rest, of a dynamic disk only: bytes, 0 for a fixed one."""

    virtual_size: int
    table: int = 0
    entries: int = 0
    block: int = 0


def read_header(reader: Reader) -> Header:
    """Read footer and dynamic header. Raises LabwrightError (config) for differencing disks and contradictions."""
    start = reader.head(FOOTER_SIZE)
    if start[:8] == COOKIE:
        return _dynamic(reader, start)
    if not reader.whole:
        # Its footer is at the end, which is not here yet.
        return Header(0)
    return _fixed(reader)


def _fixed(reader: Reader) -> Header:
    size, kind, _ = _footer(reader, reader.at(reader.size - FOOTER_SIZE, FOOTER_SIZE, "footer"))
    if kind != FIXED:
        raise reader.refuse("its footer says that it is no fixed disk, and its beginning that it is", DAMAGED)
    if size != reader.size - FOOTER_SIZE:
        raise reader.refuse(f"its disk has {size} bytes by its footer, and {reader.size - FOOTER_SIZE} are there",
                            DAMAGED)  # fmt: skip
    return Header(size)


def _footer(reader: Reader, data: bytes) -> tuple[int, int, int]:
    """Size, type, and the place of what follows."""
    if len(data) < FOOTER_SIZE:
        raise reader.refuse("its footer is cut off", DAMAGED)
    fields = FOOTER.unpack_from(data)
    cookie, place, size, kind, checksum = fields[0], fields[3], fields[9], fields[13], fields[14]
    if cookie != COOKIE or checksum != _checksum(data, CHECKSUM_OFFSET):
        raise reader.refuse("the checksum of its footer is wrong", DAMAGED)
    if kind == DIFFERENCES:
        raise reader.refuse("it holds only the differences to another disk", COPY_WHOLE)
    if kind not in (FIXED, GROWING):
        raise reader.refuse(f"it is a vhd of type {kind}, which is not known", COPY_WHOLE)
    if size == 0 or size % SECTOR:
        raise reader.refuse(f"its disk has {size} bytes", DAMAGED)
    return size, kind, place


def _dynamic(reader: Reader, start: bytes) -> Header:
    size, kind, place = _footer(reader, start)
    if kind != GROWING:
        raise reader.refuse("it begins like a dynamic disk and says that it is none", DAMAGED)
    data = reader.at(place, DYNAMIC_SIZE, "dynamic header")
    cookie, _, table, _, entries, block, checksum = DYNAMIC.unpack_from(data)
    checks = (
        (cookie != b"cxsparse" or checksum != _checksum(data, DYNAMIC_CHECKSUM_OFFSET),
         "the checksum of its dynamic header is wrong", DAMAGED),
        (any(data[PARENT_OFFSET:PARENT_END]), "it names a parent, another file of this machine", COPY_WHOLE),
        (not SMALLEST_BLOCK <= block <= LARGEST_BLOCK or bool(block & (block - 1)),
         f"its blocks have {in_words(block)}", DAMAGED),
        (entries * block < size, f"its table has {entries} entries, too few for its disk", DAMAGED),
    )  # fmt: skip
    for wrong, why, remedy in checks:
        if wrong:
            raise reader.refuse(why, remedy)
    return Header(size, table, entries, block)


def _checksum(data: bytes, offset: int) -> int:
    """The one's complement of the sum of all bytes but those of the checksum itself."""
    return ~(sum(data) - sum(data[offset : offset + 4])) & 0xFFFFFFFF


def check_tables(reader: Reader, header: Header) -> int:
    """Check that all blocks are in the file, each once. Returns the bytes of the disk that have data."""
    if not header.block:
        return header.virtual_size
    table = reader.numbers(header.table, header.entries, "I", "table of blocks", big=True)
    used = [entry for entry in table if entry != UNALLOCATED]
    if len(set(used)) != len(used):
        raise reader.refuse("its table has the same block twice", DAMAGED)
    if used:
        bitmap = -(-(header.block // (SECTOR * 8)) // SECTOR) * SECTOR
        reader.need(max(used) * SECTOR, max(bitmap, SECTOR) + 1, "data")
    return min(len(used) * header.block, header.virtual_size)
