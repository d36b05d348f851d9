"""vhdx: Hyper-V's disk image: two headers, a table of regions, metadata, a table of blocks ([MS-VHDX] 4.0)."""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from labwright.foreign.model import in_words
from labwright.foreign.reader import DAMAGED, Reader

MAGIC = b"vhdxfile"
HEADERS = (64 << 10, 128 << 10)
HEADER_SIZE = 4096
HEADER = struct.Struct("<4sIQ16s16s16sHHIQ")
"""signature, checksum, sequence number, GUIDs of writes to file and data and log, versions, log's size and place."""
REGIONS = (192 << 10, 256 << 10)
REGION_TABLE_SIZE = 64 << 10
REGION = struct.Struct("<16sQII")
ITEM = struct.Struct("<16sIII4x")
MOST_ENTRIES = 2047
MEGABYTE = 1 << 20


def _guid(text: str) -> bytes:
    return uuid.UUID(text).bytes_le


BLOCK_TABLE = _guid("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA = _guid("8b7ca206-4790-4b9a-b8fe-575f050f886e")
PARAMETERS = _guid("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
DISK_SIZE = _guid("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
LOGICAL_SECTOR = _guid("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR = _guid("cda348c7-445d-4471-9cc9-e9885251c556")
DISK_IDENTITY = _guid("beca12ab-b2e6-4523-93ef-c309e000c746")
PARENT = _guid("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
ITEMS = {PARAMETERS: 8, DISK_SIZE: 8, LOGICAL_SECTOR: 4, PHYSICAL_SECTOR: 4, DISK_IDENTITY: 16}
"""What the metadata may hold, and the bytes of each."""
HAS_PARENT = 2
PRESENT, PARTLY_PRESENT = 6, 7
COPY_WHOLE = "merge it with its parent where it comes from (Hyper-V: Edit Disk, Merge)"
REPLAY = "open it once where it comes from (in Hyper-V: start and shut down the machine), so that its log is written"


@dataclass(frozen=True)
class Header:
    """virtual_size, block: bytes. table, table_size: place and bytes of the table of blocks. ratio: blocks a chunk."""

    virtual_size: int
    block: int
    table: int
    table_size: int
    ratio: int


def read_header(reader: Reader) -> Header:
    """Read headers, regions and metadata. Raises LabwrightError (config) for parents and logs that are not written."""
    if reader.head(len(MAGIC)) != MAGIC:
        raise reader.refuse("it is not a vhdx image", DAMAGED)
    _check_log(reader)
    regions = _regions(reader)
    items = _items(reader, *regions[METADATA])
    block, flags = struct.unpack("<II", items[PARAMETERS])
    size = int.from_bytes(items[DISK_SIZE], "little")
    sector = int.from_bytes(items[LOGICAL_SECTOR], "little")
    checks = (
        (bool(flags & HAS_PARENT), "it holds only the differences to another disk", COPY_WHOLE),
        (sector not in (512, 4096), f"its sectors have {sector} bytes", DAMAGED),
        (not MEGABYTE <= block <= 256 * MEGABYTE or bool(block & (block - 1)),
         f"its blocks have {in_words(block)}", DAMAGED),
        (size == 0 or size % 512 != 0, f"its disk has {size} bytes", DAMAGED),
    )  # fmt: skip
    for wrong, why, remedy in checks:
        if wrong:
            raise reader.refuse(why, remedy)
    return Header(size, block, *regions[BLOCK_TABLE], (sector << 23) // block)


def _check_log(reader: Reader) -> None:
    """The header in use is the sound one with the higher sequence number; an older one may name a log."""
    sound = []
    for place in HEADERS:
        data = reader.at(place, HEADER_SIZE, "header")
        fields = HEADER.unpack_from(data)
        if fields[0] == b"head" and fields[1] == checksum(data):
            sound.append((fields[2], fields[5], fields[7]))
    if not sound:
        raise reader.refuse("the checksums of both its headers are wrong", DAMAGED)
    newest = max(sequence for sequence, _, _ in sound)
    for sequence, log, version in sound:
        if sequence == newest and any(log):
            raise reader.refuse("it was not closed: its log holds changes that are not written yet", REPLAY)
        if sequence == newest and version != 1:
            raise reader.refuse(f"its vhdx version is {version}; 1 can be read", DAMAGED)


def _regions(reader: Reader) -> dict[bytes, tuple[int, int]]:
    data = reader.at(REGIONS[0], REGION_TABLE_SIZE, "table of regions")
    signature, check, count = struct.unpack_from("<4sII", data)
    if signature != b"regi" or check != checksum(data):
        raise reader.refuse("the checksum of its table of regions is wrong", DAMAGED)
    if count > MOST_ENTRIES:
        raise reader.refuse(f"its table of regions has {count} entries", DAMAGED)
    regions = {}
    for index in range(count):
        name, offset, length, _ = REGION.unpack_from(data, 16 + index * REGION.size)
        if name not in (BLOCK_TABLE, METADATA):
            raise reader.refuse("it has a region that is not known", "convert it with a newer qemu-img")
        if name in regions or offset % MEGABYTE or length % MEGABYTE or offset < MEGABYTE:
            raise reader.refuse("its table of regions contradicts itself", DAMAGED)
        regions[name] = (offset, length)
    if len(regions) != 2:
        raise reader.refuse("its table of regions lacks one", DAMAGED)
    return regions


def _items(reader: Reader, place: int, length: int) -> dict[bytes, bytes]:
    data = reader.at(place, 64 << 10, "metadata")
    signature, count = struct.unpack_from("<8s2xH", data)
    if signature != b"metadata" or count > MOST_ENTRIES:
        raise reader.refuse("its metadata is damaged", DAMAGED)
    items = {}
    for index in range(count):
        name, offset, size, _ = ITEM.unpack_from(data, 32 + index * ITEM.size)
        if name == PARENT:
            raise reader.refuse("it names a parent, another file of this machine", COPY_WHOLE)
        if name not in ITEMS:
            raise reader.refuse("it has metadata that is not known", "convert it with a newer qemu-img")
        if name in items or size != ITEMS[name] or offset < 64 << 10 or offset + size > length:
            raise reader.refuse("its metadata contradicts itself", DAMAGED)
        items[name] = reader.at(place + offset, size, "metadata")
    if not items.keys() >= {PARAMETERS, DISK_SIZE, LOGICAL_SECTOR}:
        raise reader.refuse("its metadata lacks the size of its disk, of its blocks or of its sectors", DAMAGED)
    return items


def check_tables(reader: Reader, header: Header) -> int:
    """Check that all blocks are in the file, each once. Returns the bytes of the disk that have data."""
    blocks = -(-header.virtual_size // header.block)
    entries = blocks + (blocks - 1) // header.ratio
    if entries * 8 > header.table_size:
        raise reader.refuse(f"its table of blocks has no room for the {blocks} of its disk", DAMAGED)
    table = reader.numbers(header.table, entries, "Q", "table of blocks")
    # After each chunk of blocks comes the place of a bitmap, which only disks with parents have.
    payload = [entry for index, entry in enumerate(table, start=1) if index % (header.ratio + 1)]
    if any(entry & 7 == PARTLY_PRESENT for entry in payload):
        raise reader.refuse("it holds only the differences to another disk", COPY_WHOLE)
    used = [entry >> 20 for entry in payload if entry & 7 == PRESENT]
    if len(set(used)) != len(used):
        raise reader.refuse("its table has the same block twice", DAMAGED)
    if used:
        reader.need(max(used) * MEGABYTE, 1, "data")
    return min(len(used) * header.block, header.virtual_size)


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)  # noqa: PLW2901
        table.append(value)
    return table


CRC_TABLE = _table()


def checksum(data: bytes) -> int:
    """CRC-32C of a structure whose own checksum, the second four bytes, counts as zero."""
    value = 0xFFFFFFFF
    for byte in data[:4] + b"\0\0\0\0" + data[8:]:
        value = CRC_TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF
