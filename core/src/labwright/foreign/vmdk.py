"""vmdk: sparse files with a header of their own (VMware's Virtual Disk Format 1.1), alone or as a piece of a disk."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from labwright.foreign import descriptor
from labwright.foreign.model import in_words
from labwright.foreign.reader import DAMAGED, Reader

MAGIC = b"KDMV"
HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")
"""magic, version, flags, capacity, grain size, descriptor's offset and size, entries of a grain table, offsets of the
spare and the grain directory, overhead, unclean shutdown, line ends, compression; sizes and offsets in sectors."""

SECTOR = 512
AT_END = 0xFFFFFFFFFFFFFFFF
DEFLATE = 1
FLAG_COMPRESSED = 1 << 16
LINE_ENDS = b"\n \r\n"
FOOTER_MARKER = 3
DESCRIPTOR_PLACE, QEMU_READS = 1, 20
LARGEST_DESCRIPTOR = 128
SMALLEST_GRAIN, LARGEST_GRAIN = 8, 128 << 11
"""Sectors; 128 are usual, and with smaller ones than these the tables would be vast."""
ENTRIES = 512
EMPTY, ZERO = 0, 1


@dataclass(frozen=True)
class Header:
    """The header of a sparse file, all in sectors. directory: of the grain directory."""

    capacity: int
    grain: int
    descriptor_offset: int
    descriptor_size: int
    entries: int
    spare_directory: int
    directory: int
    flags: int

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk."""
        return self.capacity * SECTOR

    @property
    def tables(self) -> int:
        """How many grain tables the disk needs."""
        return -(-self.capacity // (self.grain * self.entries))


def read_header(reader: Reader, piece: bool = False) -> Header:
    """Read the header and the descriptor in it. piece: of a disk in several files. Raises LabwrightError (config)."""
    header = _parse(reader, reader.at(0, HEADER.size, "header"))
    if header.descriptor_size > LARGEST_DESCRIPTOR:
        raise reader.refuse(f"its descriptor would have {in_words(header.descriptor_size * SECTOR)}", DAMAGED)
    if piece:
        _check_piece(reader, header)
    else:
        _check_descriptor(reader, header)
    return header


def _check_piece(reader: Reader, header: Header) -> None:
    place, size = header.descriptor_offset, header.descriptor_size
    if place and reader.at(place * SECTOR, size * SECTOR, "descriptor").strip(b"\0"):
        raise reader.refuse("it is a piece of a disk and describes one of its own", "get the whole disk again")
    if header.directory == AT_END:
        raise reader.refuse("it is a piece of a disk, in the form for streams", "get the whole disk again")


def _check_descriptor(reader: Reader, header: Header) -> None:
    # Whatever the header says, QEMU reads this many sectors at this place.
    data = reader.at(DESCRIPTOR_PLACE * SECTOR, min(QEMU_READS, reader.size // SECTOR - 1) * SECTOR, "descriptor")
    descriptor.check_parents(reader, data)
    if header.descriptor_offset != DESCRIPTOR_PLACE:
        raise reader.refuse(f"its descriptor is at sector {header.descriptor_offset}, and QEMU looks for it at "
                            f"{DESCRIPTOR_PLACE}", DAMAGED)  # fmt: skip
    found = descriptor.parse(reader, reader.at(SECTOR, header.descriptor_size * SECTOR, "descriptor"))
    if found.kind not in descriptor.ALONE:
        raise reader.refuse(f"its descriptor says {found.kind!r}, which no disk in one file is", DAMAGED)


def _parse(reader: Reader, data: bytes) -> Header:
    (magic, version, flags, capacity, grain, place, size, entries, spare, directory, _, _, ends,
     compression) = HEADER.unpack(data)  # fmt: skip
    checks = (
        (magic != MAGIC, "it is not a sparse vmdk"),
        (version not in (1, 2, 3), f"its vmdk version is {version}"),
        (capacity == 0, "its disk has 0 bytes, which makes QEMU look for another descriptor"),
        (not SMALLEST_GRAIN <= grain <= LARGEST_GRAIN or bool(grain & (grain - 1)), f"its grains have {grain} sectors"),
        (entries != ENTRIES, f"its grain tables have {entries} entries, and {ENTRIES} are usual"),
        (ends != LINE_ENDS, "its line ends were changed, as a transfer as text does"),
        (compression > DEFLATE, f"its compression is of kind {compression}, which is not known"),
        (bool(flags & FLAG_COMPRESSED) != (compression == DEFLATE), "its header contradicts itself on compression"),
    )
    for wrong, why in checks:
        if wrong:
            raise reader.refuse(why, DAMAGED)
    return Header(capacity, grain, place, size, entries, spare, directory, flags)


def check_tables(reader: Reader, header: Header) -> int:
    """Check that all tables and grains are in the file. Returns the bytes of the disk that have data."""
    if header.directory == AT_END:
        header = _footer(reader, header)
    allocated = _walk(reader, header, header.directory, "grain directory")
    if header.spare_directory not in (0, AT_END) and header.flags & 2:
        reader.need(header.spare_directory * SECTOR, header.tables * 4, "spare grain directory")
    return min(allocated * header.grain, header.capacity) * SECTOR


def _footer(reader: Reader, header: Header) -> Header:
    """A file made as a stream has its header again at its end, and QEMU believes that one."""
    place = reader.size // SECTOR * SECTOR - 3 * SECTOR
    data = reader.at(place, 3 * SECTOR, "footer")
    kind = struct.unpack_from("<QII", data)
    end = struct.unpack_from("<QII", data, 2 * SECTOR)
    if kind != (1, 0, FOOTER_MARKER) or end != (0, 0, 0):
        raise reader.refuse("its end is not what a vmdk made as a stream ends with", DAMAGED)
    footer = _parse(reader, data[SECTOR : SECTOR + HEADER.size])
    same = (header.capacity, header.grain, header.entries, header.descriptor_offset)
    if (footer.capacity, footer.grain, footer.entries, footer.descriptor_offset) != same:
        raise reader.refuse("its header and its footer contradict each other", DAMAGED)
    if footer.directory == AT_END:
        raise reader.refuse("its footer names no grain directory", DAMAGED)
    return footer


def _walk(reader: Reader, header: Header, directory: int, what: str) -> int:
    seen: dict[int, int] = {}
    total = 0
    for place in reader.numbers(directory * SECTOR, header.tables, "I", what):
        if place == EMPTY:
            continue
        if place not in seen:
            table = reader.numbers(place * SECTOR, header.entries, "I", "grain table")
            reader.need(max(table) * SECTOR, 1, "data")
            seen[place] = len(table) - table.count(EMPTY) - table.count(ZERO)
        total += seen[place]
    return total
