"""qcow2 images that try something."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

from support.hostile import SECRET_NAME, case, opened_case, put, write

CLUSTER = 1 << 16
SIZE = 64 << 20
END = struct.pack(">II", 0, 0)


def image(
    *, version: int = 3, backing: bytes = b"", bits: int = 16, size: int = SIZE, encryption: int = 0, entries: int = 1,
    first: int = 3 * CLUSTER, counts: int = CLUSTER, count_clusters: int = 1, snapshots: int = 0, snapshots_at: int = 0,
    incompatible: int = 0, autoclear: int = 0, length: int = 104, extensions: bytes = b"", order: int = 4,
) -> bytes:  # fmt: skip
    """An empty disk, sound unless told otherwise: header, reference counts in two clusters, first table."""
    place = 512 if backing else 0
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, place, len(backing), bits, size, encryption, entries,
                         first, counts, count_clusters, snapshots, snapshots_at)  # fmt: skip
    header += struct.pack(">QQQII", incompatible, 0, autoclear, order, length) + extensions + END
    data = put(bytes(4 * CLUSTER), 0, header)
    data = put(data, 512, backing) if backing else data
    data = put(data, CLUSTER, struct.pack(">Q", 2 * CLUSTER))
    return put(data, 2 * CLUSTER, struct.pack(">4H", 1, 1, 1, 1))


def extension(kind: int, content: bytes) -> bytes:
    return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)


def secret(folder: Path) -> bytes:
    return bytes(folder.parent / SECRET_NAME)


def qcow2(folder: Path, data: bytes) -> Path:
    return write(folder / "disk.qcow2", data)


@case
def qcow2_backing_file(folder: Path) -> Path:
    """Has QEMU read another file of the host, as the disk behind this one."""
    return qcow2(folder, image(backing=secret(folder)))


@case
def qcow2_backing_json(folder: Path) -> Path:
    """The same, by QEMU's json: names."""
    name = b'json:{"driver":"raw","file":{"driver":"file","filename":"' + secret(folder) + b'"}}'
    return qcow2(folder, image(backing=name))


@case
def qcow2_backing_network(folder: Path) -> Path:
    """Has QEMU connect to another machine."""
    return qcow2(folder, image(backing=b"nbd://127.0.0.1:10809/secret"))


@case
def qcow2_backing_version_2(folder: Path) -> Path:
    """A backing file in a header of the old version."""
    return qcow2(folder, image(version=2, backing=secret(folder)))


@case
def qcow2_data_file(folder: Path) -> Path:
    """Keeps its data in another file of the host, which even qemu-img info opens."""
    return qcow2(folder, image(incompatible=4, extensions=extension(0x44415441, secret(folder))))


@case
def qcow2_data_file_unflagged(folder: Path) -> Path:
    """Names another file for its data and does not say so in its features."""
    return qcow2(folder, image(extensions=extension(0x44415441, secret(folder))))


@case
def qcow2_raw_external(folder: Path) -> Path:
    """Says only in a feature that may be ignored that its data is elsewhere."""
    return qcow2(folder, image(autoclear=2))


@case
def qcow2_backing_format(folder: Path) -> Path:
    """Names the format of a backing file that it does not name."""
    return qcow2(folder, image(extensions=extension(0xE2792ACA, b"raw")))


@case
def qcow2_encrypted_aes(folder: Path) -> Path:
    """Is encrypted in the old way."""
    return qcow2(folder, image(encryption=1))


@case
def qcow2_encrypted_luks(folder: Path) -> Path:
    """Is encrypted by LUKS."""
    return qcow2(folder, image(encryption=2, extensions=extension(0x0537BE77, struct.pack(">QQ", 4 * CLUSTER, 512))))


@case
def qcow2_key_without_encryption(folder: Path) -> Path:
    """Has a header of keys and says that it is not encrypted."""
    return qcow2(folder, image(extensions=extension(0x0537BE77, struct.pack(">QQ", 1 << 60, 1 << 60))))


@case
def qcow2_marked_corrupt(folder: Path) -> Path:
    """Was marked corrupt by the program that wrote it."""
    return qcow2(folder, image(incompatible=2))


@case
def qcow2_unknown_feature(folder: Path) -> Path:
    """Uses a feature that nobody knows."""
    return qcow2(folder, image(incompatible=1 << 40))


@case
def qcow2_version_9(folder: Path) -> Path:
    """Is of a version that nobody knows."""
    return qcow2(folder, image(version=9))


@case
def qcow2_tiny_clusters(folder: Path) -> Path:
    """Has clusters of 2 bytes."""
    return qcow2(folder, image(bits=1))


@case
def qcow2_vast_clusters(folder: Path) -> Path:
    """Has clusters of 2^63 bytes, so that sums overflow."""
    return qcow2(folder, image(bits=63))


@case
def qcow2_first_table_outside(folder: Path) -> Path:
    """Has its first table far behind its end."""
    return qcow2(folder, image(first=1 << 50))


@case
def qcow2_first_table_vast(folder: Path) -> Path:
    """Has a first table of 32 GiB, to fill the memory."""
    return qcow2(folder, image(entries=0xFFFFFFFF))


@case
def qcow2_first_table_short(folder: Path) -> Path:
    """Has a first table that ends before its disk."""
    return qcow2(folder, image(entries=0))


@case
def qcow2_counts_outside(folder: Path) -> Path:
    """Has its reference counts at the end of the number space."""
    return qcow2(folder, image(counts=(1 << 64) - CLUSTER))


@case
def qcow2_counts_vast(folder: Path) -> Path:
    """Has a table of reference counts of 256 TiB."""
    return qcow2(folder, image(count_clusters=0xFFFFFFFF))


@case
def qcow2_counts_too_wide(folder: Path) -> Path:
    """Has reference counts of 2^60 bits."""
    return qcow2(folder, image(order=60))


@case
def qcow2_many_snapshots(folder: Path) -> Path:
    """Has four billion snapshots."""
    return qcow2(folder, image(snapshots=0xFFFFFFFF, snapshots_at=CLUSTER))


@case
def qcow2_snapshots_outside(folder: Path) -> Path:
    """Has its list of snapshots behind its end."""
    return qcow2(folder, image(snapshots=1, snapshots_at=1 << 40))


@case
def qcow2_snapshot_vast(folder: Path) -> Path:
    """Has a snapshot whose table has 32 GiB."""
    entry = struct.pack(">QIHHIIQII", 3 * CLUSTER, 0xFFFFFFFF, 1, 1, 0, 0, 0, 0, 16) + bytes(24)
    return qcow2(folder, put(image(snapshots=1, snapshots_at=4 * CLUSTER), 4 * CLUSTER, entry))


@case
def qcow2_extension_too_long(folder: Path) -> Path:
    """Has a header extension of 4 GiB."""
    return qcow2(folder, image(extensions=struct.pack(">II", 0x1234, 0xFFFFFFF0)))


@case
def qcow2_header_too_long(folder: Path) -> Path:
    """Says that its header is longer than a cluster."""
    return qcow2(folder, image(length=0xFFFFFFF8))


@case
def qcow2_header_cut_off(folder: Path) -> Path:
    """Ends within its header."""
    return qcow2(folder, image()[:80])


@case
def qcow2_bitmaps_outside(folder: Path) -> Path:
    """Has a list of bitmaps behind its end."""
    listed = struct.pack(">IIQQ", 1, 0, 64, 1 << 45)
    return qcow2(folder, image(autoclear=1, extensions=extension(0x23852875, listed)))


@case
def qcow2_unknown_compression(folder: Path) -> Path:
    """Is compressed in a way that nobody knows."""
    return qcow2(folder, image(incompatible=8, length=112, extensions=b"\x09" + bytes(7)))


@case
def qcow2_second_table_outside(folder: Path) -> Path:
    """Has a second table far behind its end."""
    return qcow2(folder, put(image(), 3 * CLUSTER, struct.pack(">Q", 1 << 50)))


@case
def qcow2_data_outside(folder: Path) -> Path:
    """Has data far behind its end."""
    data = put(image(), 3 * CLUSTER, struct.pack(">Q", 4 * CLUSTER | 1 << 63))
    return qcow2(folder, put(data, 4 * CLUSTER, struct.pack(">Q", 1 << 50 | 1 << 63).ljust(CLUSTER, b"\0")))


@case
def qcow2_bomb(folder: Path) -> Path:
    """Shows the same cluster a million times: 64 GiB from 400 KiB."""
    entries = 128
    data = image(size=entries << 29, entries=entries)
    data = put(data, 3 * CLUSTER, struct.pack(">Q", 4 * CLUSTER) * entries)
    data = put(data, 4 * CLUSTER, struct.pack(">Q", 5 * CLUSTER) * (CLUSTER // 8))
    return qcow2(folder, data + b"x" * CLUSTER)


@case
def qcow2_disk_of_exabytes(folder: Path) -> Path:
    """Has a disk of 8 EiB."""
    return qcow2(folder, image(size=(1 << 63) - 512, bits=21, entries=1 << 22))


@case
def qcow2_disk_over_the_limit(folder: Path) -> Path:
    """Has a disk of 1 TiB, empty: more than the default limit."""
    return qcow2(folder, image(size=1 << 40, entries=2048))


@case
def qcow2_disk_of_nothing(folder: Path) -> Path:
    """Has a disk of 0 bytes."""
    return qcow2(folder, image(size=0))


@opened_case
def qcow2_counts_wrong(folder: Path) -> Path:
    """Has a table that its reference counts take for free space."""
    data = put(image(), 3 * CLUSTER, struct.pack(">Q", 4 * CLUSTER | 1 << 63))
    return qcow2(folder, put(data, 5 * CLUSTER - 1, b"\0"))


@opened_case
def qcow2_damaged_cluster(folder: Path) -> Path:
    """Has a compressed cluster that is no compressed data."""
    data = put(image(), 2 * CLUSTER, struct.pack(">6H", 1, 1, 1, 1, 1, 1))
    data = put(data, 3 * CLUSTER, struct.pack(">Q", 4 * CLUSTER | 1 << 63))
    data = put(data, 4 * CLUSTER, struct.pack(">Q", 5 * CLUSTER | 1 << 62 | 7 << 54).ljust(CLUSTER, b"\0"))
    return qcow2(folder, data + zlib.compress(os.urandom(100))[::-1].ljust(CLUSTER, b"\xff"))
