"""Compressed files, zip archives and appliances that try something."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import stat
import struct
import subprocess
import tarfile
import zipfile
from pathlib import Path

from support.hostile import SECRET_NAME, case, put, special, tar_of, write
from support.hostile_files import SIGNATURE
from support.hostile_qcow2 import image, secret
from support.hostile_vmdk import SECTORS, sparse, text

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
    """Has a disk of 3 GiB of zeros in 3 MB."""
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
def zip_directory_vast(folder: Path) -> Path:
    """Has a list of members of 80 MB, to fill the memory."""
    count = 1000
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0xFFFF, 0xFFFF, 0, 0, 0, 0)
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


def ovf(*names: str, before: str = "", more: str = "", disk: str = "") -> bytes:
    files = "".join(f'<File ovf:href="{name}" ovf:id="f{index}" {more}/>' for index, name in enumerate(names))
    disks = "".join(f'<Disk ovf:diskId="d{index}" ovf:fileRef="f{index}" {disk}/>' for index in range(len(names)))
    space = "http://schemas.dmtf.org/ovf/envelope/1"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{before}<Envelope xmlns="{space}" xmlns:ovf="{space}">'
        f"<References>{files}</References><DiskSection>{disks}</DiskSection></Envelope>\n"
    ).encode()


def ova(folder: Path, *members: tuple[str, bytes] | tarfile.TarInfo) -> Path:
    return tar_of(folder / "box.ova", *members, form=tarfile.USTAR_FORMAT)


@case
def ova_wrong_digest(folder: Path) -> Path:
    """Has a disk that was changed after its digest was made."""
    digests = f"SHA256(box.ovf)= {hashlib.sha256(ovf('disk.vmdk')).hexdigest()}\nSHA256(disk.vmdk)= {'0' * 64}\n"
    return ova(folder, ("box.ovf", ovf("disk.vmdk")), ("box.mf", digests.encode()), ("disk.vmdk", sparse()))


@case
def ova_digest_missing(folder: Path) -> Path:
    """Has a list of digests without the disk's."""
    digests = f"SHA256(box.ovf)= {hashlib.sha256(ovf('disk.vmdk')).hexdigest()}\n"
    return ova(folder, ("box.ovf", ovf("disk.vmdk")), ("box.mf", digests.encode()), ("disk.vmdk", sparse()))


@case
def ova_two_disks(folder: Path) -> Path:
    """Has two disks."""
    return ova(folder, ("box.ovf", ovf("a.vmdk", "b.vmdk")), ("a.vmdk", sparse()), ("b.vmdk", sparse()))


@case
def ova_no_disk(folder: Path) -> Path:
    """Describes a machine without a disk."""
    return ova(folder, ("box.ovf", ovf()))


@case
def ova_no_description(folder: Path) -> Path:
    """Has a disk and no description."""
    return ova(folder, ("disk.vmdk", sparse()))


@case
def ova_billion_laughs(folder: Path) -> Path:
    """Defines entities that grow to gigabytes."""
    entities = '<!ENTITY a "ha">' + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi"))
    return ova(folder, ("box.ovf", ovf("disk.vmdk", before=f"<!DOCTYPE x [{entities}]>")), ("disk.vmdk", sparse()))


@case
def ova_external_entity(folder: Path) -> Path:
    """Has the description include a file of the host."""
    entity = f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{folder.parent / SECRET_NAME}">]>'
    return ova(folder, ("box.ovf", ovf("&s;", before=entity)), ("disk.vmdk", sparse()))


@case
def ova_description_in_utf_16(folder: Path) -> Path:
    """Hides entities in another encoding."""
    hidden = ovf("disk.vmdk", before='<!DOCTYPE x [<!ENTITY a "ha">]>').decode().replace("UTF-8", "UTF-16")
    return ova(folder, ("box.ovf", hidden.encode("utf-16")), ("disk.vmdk", sparse()))


@case
def ova_description_vast(folder: Path) -> Path:
    """Has a description of 2 MB."""
    return ova(folder, ("box.ovf", ovf("disk.vmdk") + b" " * (2 << 20)), ("disk.vmdk", sparse()))


@case
def ova_disk_elsewhere(folder: Path) -> Path:
    """Has its disk at the path of a file of the host."""
    return ova(folder, ("box.ovf", ovf(str(folder.parent / SECRET_NAME))), ("disk.vmdk", sparse()))


@case
def ova_disk_on_the_network(folder: Path) -> Path:
    """Has its disk on another machine."""
    return ova(folder, ("box.ovf", ovf("http://127.0.0.1:9/disk.vmdk")), ("disk.vmdk", sparse()))


@case
def ova_disk_missing(folder: Path) -> Path:
    """Describes a disk that is not in it."""
    return ova(folder, ("box.ovf", ovf("disk.vmdk")))


@case
def ova_differences(folder: Path) -> Path:
    """Has a disk that holds the differences to another."""
    return ova(folder, ("box.ovf", ovf("disk.vmdk", disk='ovf:parentRef="d9"')), ("disk.vmdk", sparse()))


@case
def ova_linked_disk(folder: Path) -> Path:
    """Has a symbolic link to a file of the host where the disk should be."""
    return ova(folder, ("box.ovf", ovf("disk.vmdk")), special("disk.vmdk", tarfile.SYMTYPE, str(folder.parent / "secret")))


@case
def ova_device(folder: Path) -> Path:
    """Has a device where the disk should be."""
    return ova(folder, ("box.ovf", ovf("disk.vmdk")), special("disk.vmdk", tarfile.BLKTYPE))


@case
def ova_climbs(folder: Path) -> Path:
    """Has a member that would be written outside of its folder."""
    return ova(folder, ("box.ovf", ovf("disk.vmdk")), ("../disk.vmdk", sparse()))


@case
def ova_same_name_twice(folder: Path) -> Path:
    """Has two disks of one name, so that one is checked and the other used."""
    return ova(folder, ("box.ovf", ovf("disk.vmdk")), ("disk.vmdk", sparse()), ("disk.vmdk", sparse(entries=99)))


@case
def ova_disk_that_is_qcow2(folder: Path) -> Path:
    """Has a qcow2 with a backing file under the name of a vmdk."""
    return ova(folder, ("box.ovf", ovf("disk.vmdk")), ("disk.vmdk", image(backing=secret(folder))))


@case
def ova_disk_in_pieces(folder: Path) -> Path:
    """Has the descriptor of a disk in pieces, which name files of the host."""
    lines = text(f'RW {SECTORS} FLAT "{folder.parent / SECRET_NAME}" 0', kind="monolithicFlat")
    return ova(folder, ("box.ovf", ovf("disk.vmdk")), ("disk.vmdk", lines))


@case
def ova_header_vast(folder: Path) -> Path:
    """Has an extended header of 8 GiB, to fill the memory."""
    facts = tarfile.TarInfo("x")
    facts.type, facts.size = tarfile.XHDTYPE, (8 << 30) - 512
    return write(folder / "box.ova", facts.tobuf(tarfile.USTAR_FORMAT) + bytes(4096))


@case
def ova_size_vast(folder: Path) -> Path:
    """Has a disk of 8 EiB in an archive of 10 kB."""
    facts = tarfile.TarInfo("disk.vmdk")
    facts.size = 1 << 62
    start = ova(folder, ("box.ovf", ovf("disk.vmdk"))).read_bytes()[:2048]
    return write(folder / "box.ova", start + facts.tobuf(tarfile.GNU_FORMAT) + bytes(4096))


@case
def ova_cut_off(folder: Path) -> Path:
    """Is a download that was not finished."""
    path = ova(folder, ("box.ovf", ovf("disk.vmdk")), ("disk.vmdk", sparse()))
    return write(path, path.read_bytes()[:30000])


@case
def tar_of_a_disk(folder: Path) -> Path:
    """Is a tar archive with neither a root file system nor a description."""
    return tar_of(folder / "disk.tar", ("disk.raw", SIGNATURE))


@case
def tar_of_a_root(folder: Path) -> Path:
    """Is a root file system, which is no disk."""
    return tar_of(folder / "root.tar", special("usr", tarfile.DIRTYPE), ("etc/os-release", b"ID=debian\n"))


@case
def tar_gz_of_a_root(folder: Path) -> Path:
    """The same, packed."""
    return write(folder / "root.tar.gz", gzip.compress(tar_of_a_root(folder).read_bytes()))


@case
def appliance_named_tar(folder: Path) -> Path:
    """Is an appliance and named as a tar archive."""
    return tar_of(folder / "box.tar", ("box.ovf", ovf("disk.vmdk")), ("disk.vmdk", sparse()))


