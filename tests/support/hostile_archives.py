"""Compressed files and zip archives that try something."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import struct
import subprocess
import zipfile
from pathlib import Path

from support.hostile import case, put, write
from support.hostile_files import SIGNATURE
from support.hostile_qcow2 import image, secret

BOMB = 3 << 30
"""More than a small file may unpack to."""
ZEROS = bytes(16 << 20)


@case
def gz_bomb(folder: Path) -> Path:
    """Unpacks to 3 GiB of zeros."""
    piece = gzip.compress(ZEROS, 9)
    return write(folder / "disk.img.gz", gzip.compress(SIGNATURE) + piece * (BOMB // len(ZEROS)))


@case
def bz2_bomb(folder: Path) -> Path:
    """The same, by bzip2, which packs zeros a thousand times better."""
    return write(folder / "disk.img.bz2", bz2.compress(SIGNATURE) + bz2.compress(ZEROS) * (BOMB // len(ZEROS)))


@case
def xz_bomb(folder: Path) -> Path:
    """The same, by xz."""
    return write(folder / "disk.img.xz", lzma.compress(SIGNATURE) + lzma.compress(ZEROS) * (BOMB // len(ZEROS)))


@case
def xz_memory(folder: Path) -> Path:
    """Wants a gigabyte of memory to be unpacked."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 16 << 20}]
    data = lzma.compress(SIGNATURE, filters=filters)
    # The size of the dictionary is one byte of the block's header, which has a checksum of its own.
    start = 12
    length = (data[start] + 1) * 4
    block = bytearray(data[start : start + length])
    block[block.index(b"\x21\x01") + 2] = 36
    import zlib

    block[-4:] = struct.pack("<I", zlib.crc32(bytes(block[:-4])))
    return write(folder / "disk.img.xz", put(data, start, bytes(block)))


def zstd(data: bytes, *words: str) -> bytes:
    return subprocess.run(["zstd", "-q", "-c", *words], input=data, capture_output=True, check=True).stdout


@case
def zst_bomb(folder: Path) -> Path:
    """The same, by zstd."""
    return write(folder / "disk.img.zst", zstd(SIGNATURE) + zstd(ZEROS) * (BOMB // len(ZEROS)))


@case
def zst_memory(folder: Path) -> Path:
    """Wants a window of 2 GiB of memory to be unpacked."""
    # A frame's header: no size, a window of 2^31 bytes; then a block of its last kind.
    return write(folder / "disk.img.zst", b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x03\x00\x10\x00" + b"x" * 600)


@case
def gz_cut_off(folder: Path) -> Path:
    """Is a download that was not finished."""
    data = gzip.compress(image(), 0)
    return write(folder / "disk.qcow2.gz", data[: len(data) // 2])


@case
def gz_damaged(folder: Path) -> Path:
    """Has another checksum at its end."""
    return write(folder / "disk.img.gz", gzip.compress(SIGNATURE)[:-8] + bytes(8))


@case
def gz_in_gz(folder: Path) -> Path:
    """Is packed twice, so that the ratios multiply."""
    return write(folder / "disk.img.gz.gz", gzip.compress(gzip.compress(SIGNATURE)))


@case
def gz_of_a_lie(folder: Path) -> Path:
    """Holds a qcow2 with a backing file under the name of a raw disk."""
    return write(folder / "disk.img.gz", gzip.compress(image(backing=secret(folder))))


@case
def gz_of_a_backing_file(folder: Path) -> Path:
    """Holds a qcow2 with a backing file."""
    return write(folder / "disk.qcow2.gz", gzip.compress(image(backing=secret(folder))))


@case
def gz_named_xz(folder: Path) -> Path:
    """Is packed in another way than its name says."""
    return write(folder / "disk.qcow2.xz", gzip.compress(image()))


@case
def xz_damaged(folder: Path) -> Path:
    """Has changed bits in its middle."""
    data = lzma.compress(bytes(range(256)) * 4096)
    return write(folder / "disk.img.xz", put(data, len(data) // 2, b"\xff" * 16))


def zipped(folder: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(folder / "disk.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data, zipfile.ZIP_DEFLATED)
    return folder / "disk.zip"


@case
def zip_bomb(folder: Path) -> Path:
    """Has a disk of 1 GiB of zeros in 5 MB."""
    with (
        zipfile.ZipFile(folder / "disk.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("disk.img", "w", force_zip64=True) as stream,
    ):
        stream.write(SIGNATURE)
        for _ in range((1 << 30) // len(ZEROS)):
            stream.write(ZEROS)
    return folder / "disk.zip"


@case
def zip_climbs(folder: Path) -> Path:
    """Has a member that would be written outside of its folder."""
    return zipped(folder, ("../../../tmp/disk.img", SIGNATURE))


@case
def zip_absolute(folder: Path) -> Path:
    """Has a member with an absolute path."""
    return zipped(folder, ("/etc/disk.img", SIGNATURE))


@case
def zip_backslash(folder: Path) -> Path:
    """Climbs with the separators of Windows."""
    return zipped(folder, ("..\\disk.img", SIGNATURE))


@case
def zip_link(folder: Path) -> Path:
    """Has a symbolic link to a file of the host where the disk should be."""
    facts = zipfile.ZipInfo("disk.img")
    facts.create_system = 3
    facts.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped(folder, (facts, secret(folder)))


@case
def zip_same_name_twice(folder: Path) -> Path:
    """Has two members of one name, so that one is checked and the other used."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zipped(folder, ("disk.qcow2", image()), ("disk.qcow2", image(backing=secret(folder))))


@case
def zip_encrypted(folder: Path) -> Path:
    """Has a disk that is encrypted."""
    path = zipped(folder, ("disk.img", SIGNATURE))
    data = path.read_bytes()
    place = data.index(b"PK\x01\x02")
    return write(path, put(put(data, 6, b"\x01"), place + 8, b"\x01"))


@case
def zip_two_disks(folder: Path) -> Path:
    """Has two disks."""
    return zipped(folder, ("one.img", SIGNATURE), ("two.qcow2", image()))


@case
def zip_bomb_of_a_lie(folder: Path) -> Path:
    """Says that its 1 GiB of zeros was 16 GiB when packed."""
    path = zip_bomb(folder)
    data = path.read_bytes()
    place = data.rindex(b"PK\x01\x02")
    return write(path, put(data, place + 20, struct.pack("<I", 0xFFFFFF00)))


@case
def zip_directory_vast(folder: Path) -> Path:
    """Has a list of members of 80 MB, to fill the memory."""
    count = 1000
    entry = struct.pack(
        "<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0xFFFF, 0xFFFF, 0, 0, 0, 0
    )
    listed = (entry + bytes(2 * 0xFFFF)) * count
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(listed), 4, 0)
    return write(folder / "disk.zip", b"PK\x03\x04" + listed + end)


@case
def zip_cut_off(folder: Path) -> Path:
    """Is a download that was not finished."""
    data = zipped(folder, ("disk.img", SIGNATURE)).read_bytes()
    return write(folder / "disk.zip", data[: len(data) // 2])


@case
def zip_of_a_backing_file(folder: Path) -> Path:
    """Holds a qcow2 with a backing file."""
    return zipped(folder, ("disk.qcow2", image(backing=secret(folder))))


@case
def zip_in_zip(folder: Path) -> Path:
    """Is packed twice."""
    return zipped(folder, ("disk.zip", zipped(folder, ("disk.img", SIGNATURE)).read_bytes()))
