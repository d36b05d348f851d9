"""qcow2: the header, and that all it points to is in the file.

A qcow2 can name other files of the host: a backing file, an external data file. QEMU opens those at once, and even
`qemu-img info` opens the second, so the header is read here first (docs/interop/qcow2.txt in QEMU's source).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from labwright.foreign.model import in_words
from labwright.foreign.reader import DAMAGED, Reader

MAGIC = b"QFI\xfb"
HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
"""magic, version, backing file offset and size, cluster bits, virtual size, encryption, L1 entries and offset, refcount
table offset and clusters, snapshots and their offset."""
FEATURES = struct.Struct(">QQQII")
"""Of version 3: incompatible, compatible and autoclear features, refcount order, header length."""

DIRTY, CORRUPT, EXTERNAL_DATA, COMPRESSION, EXTENDED_L2 = (1 << bit for bit in range(5))
KNOWN_FEATURES = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION | EXTENDED_L2
RAW_EXTERNAL = 1 << 1
SHORT_HEADER, LONG_HEADER = 72, 104
END, BACKING_FORMAT, FEATURE_NAMES, BITMAPS, ENCRYPTION, DATA_FILE = (
    0, 0xE2792ACA, 0x6803F857, 0x23852875, 0x0537BE77, 0x44415441,
)  # fmt: skip
LARGEST_L1 = 32 << 20
LARGEST_REFCOUNT_TABLE = 8 << 20
MOST_SNAPSHOTS = 65536
LARGEST_BITMAP_LIST = 64 << 20
SNAPSHOT = struct.Struct(">QIHHIIQII")
OFFSET = 0x00FFFFFFFFFFFE00
COMPRESSED = 1 << 62
WHOLE = "make it whole where it comes from: qemu-img convert -O qcow2 FILE NEW.qcow2"
COMPRESSIONS = ("zlib", "zstd")


@dataclass(frozen=True)
class Header:
    """A qcow2 that stands on its own. virtual_size: bytes. allocated: bytes of its disk that have data.

    compression: zlib or zstd.
    """

    virtual_size: int
    compression: str
    cluster_bits: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    snapshots_offset: int
    extended: bool


def read_header(reader: Reader) -> Header:
    """Read the header. Raises LabwrightError (config) for a file that would lead QEMU to other files, or astray."""
    data = reader.head(LONG_HEADER)
    if len(data) < SHORT_HEADER or data[:4] != MAGIC:
        raise reader.refuse("it is not a qcow2 image", "convert it: labwright convert FILE NEW.qcow2")
    (_, version, backing, _, cluster_bits, size, encryption, l1_entries, l1_offset, refcount_offset,
     refcount_clusters, snapshots, snapshots_offset) = HEADER.unpack_from(data)  # fmt: skip
    if version >= 3 and len(data) < LONG_HEADER:
        raise reader.refuse("its header is cut off", DAMAGED)
    old = (0, 0, 0, 4, SHORT_HEADER)
    incompatible, _, autoclear, order, length = FEATURES.unpack_from(data, SHORT_HEADER) if version >= 3 else old
    checks = (
        (version not in (2, 3), f"its qcow2 version is {version}", "convert it with a newer qemu-img"),
        (backing != 0, "it has a backing file, another file of this machine that it would read", WHOLE),
        (encryption != 0, "it is encrypted", "decrypt it where it comes from, with qemu-img convert"),
        (bool(incompatible & EXTERNAL_DATA or autoclear & RAW_EXTERNAL),
         "its data is in another file of this machine", WHOLE),
        (bool(incompatible & CORRUPT), "it is marked corrupt", "make it again; qemu-img check FILE shows the damage"),
        (bool(incompatible & ~KNOWN_FEATURES), "it uses features that are not known", "convert it with qemu-img"),
        (size == 0, "its disk has 0 bytes", DAMAGED),
        (not 9 <= cluster_bits <= 21, f"its clusters have 2^{cluster_bits} bytes; 2^9 to 2^21 can be", DAMAGED),
        (order > 6, f"its reference counts have 2^{order} bits; 1 to 64 can be", DAMAGED),
        (version >= 3 and (length < LONG_HEADER or length % 8 != 0 or length > 1 << cluster_bits),
         f"its header says that it has {length} bytes", DAMAGED),
    )  # fmt: skip
    for wrong, why, remedy in checks:
        if wrong:
            raise reader.refuse(why, remedy)
    compression = _compression(reader, length, bool(incompatible & COMPRESSION))
    _check_extensions(reader, length, 1 << cluster_bits)
    return Header(size, compression, cluster_bits, l1_entries, l1_offset, refcount_offset, refcount_clusters, snapshots,
                  snapshots_offset, bool(incompatible & EXTENDED_L2))  # fmt: skip


def _compression(reader: Reader, length: int, flagged: bool) -> str:
    kind = reader.at(LONG_HEADER, 1, "header")[0] if length > LONG_HEADER else 0
    if kind >= len(COMPRESSIONS) or flagged != (kind != 0):
        raise reader.refuse(f"its compression is of kind {kind}, which is not known", "convert it with qemu-img")
    return COMPRESSIONS[kind]


def _check_extensions(reader: Reader, position: int, end: int) -> None:
    while position + 8 <= min(end, reader.size):
        kind, length = struct.unpack(">II", reader.at(position, 8, "header extension"))
        if kind == END:
            return
        position += 8
        if length > end - position:
            raise reader.refuse(f"a header extension of {length} bytes does not fit into its header", DAMAGED)
        reader.need(position, length, "header extension")
        if kind == DATA_FILE:
            raise reader.refuse("it names another file of this machine for its data", WHOLE)
        if kind == BACKING_FORMAT:
            raise reader.refuse("it names the format of a backing file, which it must not have", WHOLE)
        if kind == ENCRYPTION:
            raise reader.refuse("it is encrypted", "decrypt it where it comes from, with qemu-img convert")
        if kind == FEATURE_NAMES and length % 48:
            raise reader.refuse("its table of feature names is damaged", DAMAGED)
        if kind == BITMAPS:
            _check_bitmaps(reader, position, length)
        position += (length + 7) & ~7


def _check_bitmaps(reader: Reader, position: int, length: int) -> None:
    if length != 24:
        raise reader.refuse("its list of bitmaps is damaged", DAMAGED)
    count, _, size, offset = struct.unpack(">IIQQ", reader.at(position, 24, "list of bitmaps"))
    if count > 65535 or size > LARGEST_BITMAP_LIST:
        raise reader.refuse(f"its list of bitmaps has {count} entries", DAMAGED)
    if reader.whole:
        reader.need(offset, size, "list of bitmaps")


def check_tables(reader: Reader, header: Header) -> int:
    """Check that all tables are in the file. Returns the bytes of the disk that have data."""
    cluster = 1 << header.cluster_bits
    entry = 16 if header.extended else 8
    wanted = -(-header.virtual_size // (cluster * (cluster // entry)))
    if header.l1_entries * 8 > LARGEST_L1 or header.l1_entries < wanted:
        raise reader.refuse(f"its first table has {header.l1_entries} entries, and {wanted} are needed", DAMAGED)
    if not 0 < header.refcount_clusters * cluster <= max(LARGEST_REFCOUNT_TABLE, cluster):
        raise reader.refuse(f"its table of reference counts has {header.refcount_clusters} clusters", DAMAGED)
    for offset, what in ((header.l1_offset, "first table"), (header.refcount_offset, "table of reference counts")):
        if offset % cluster or offset == 0:
            raise reader.refuse(f"its {what} is at byte {offset}, which is no cluster's beginning", DAMAGED)
    reader.need(header.refcount_offset, header.refcount_clusters * cluster, "table of reference counts")
    _check_snapshots(reader, header)
    reader.need(header.l1_offset, header.l1_entries * 8, "first table")
    first = reader.numbers(header.l1_offset, wanted, "Q", "first table", big=True)
    seen: dict[int, int] = {}
    allocated = 0
    for pointer in first:
        if place := pointer & OFFSET:
            # Also so that tables cannot overlap, which would make reading them take for ever.
            if place % cluster:
                raise reader.refuse(f"a second table is at byte {place}, which is no cluster's beginning", DAMAGED)
            if place not in seen:
                seen[place] = _count(reader, place, cluster, header.extended)
            allocated += seen[place]
    return min(allocated * cluster, header.virtual_size)


def _count(reader: Reader, place: int, cluster: int, extended: bool) -> int:
    """How many entries of a second table have data in the file, each of them inside of it."""
    table = reader.numbers(place, cluster // 8, "Q", "second table", big=True)
    if extended:
        table = table[::2]
    used = [entry for entry in table if entry & (OFFSET | COMPRESSED)] if any(table) else []
    farthest = max((entry & OFFSET for entry in used if not entry & COMPRESSED), default=0)
    # The last cluster of a file may be a part of one.
    reader.need(farthest, 1, "data")
    return len(used)


def _check_snapshots(reader: Reader, header: Header) -> None:
    if header.snapshots > MOST_SNAPSHOTS:
        raise reader.refuse(f"it has {header.snapshots} snapshots", DAMAGED)
    position = header.snapshots_offset
    for _ in range(header.snapshots):
        fields = SNAPSHOT.unpack(reader.at(position, SNAPSHOT.size, "list of snapshots"))
        offset, entries, identity, name, extra = fields[0], fields[1], fields[2], fields[3], fields[8]
        if entries * 8 > LARGEST_L1 or extra > 1024:
            raise reader.refuse(f"a snapshot of it has a table of {in_words(entries * 8)}", DAMAGED)
        reader.need(offset, entries * 8, "snapshot")
        position = (position + SNAPSHOT.size + extra + identity + name + 7) & ~7
