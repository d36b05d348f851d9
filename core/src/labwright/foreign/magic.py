"""What a file is by its content: the bytes that formats begin or end with."""

from __future__ import annotations

from labwright.foreign import tar
from labwright.foreign.reader import Reader

FORMATS = {
    "qcow2": "a qcow2 image", "vmdk": "a vmdk image", "vdi": "a vdi image", "vpc": "a vhd image",
    "vhdx": "a vhdx image", "raw": "a raw disk", "tar": "a tar archive",
    "gz": "compressed by gzip", "bz2": "compressed by bzip2", "xz": "compressed by xz", "zst": "compressed by zstd",
    "zip": "a zip archive",
}  # fmt: skip
"""The contents that something can be made of, in words."""

STARTS = (
    (0, b"QFI\xfb", "qcow2"), (0, b"KDMV", "vmdk"), (0, b"# Disk DescriptorFile", "vmdk"),
    (64, b"\x7f\x10\xda\xbe", "vdi"), (0, b"conectix", "vpc"), (0, b"vhdxfile", "vhdx"),
    (0, b"\x1f\x8b", "gz"), (0, b"BZh", "bz2"), (0, b"\xfd7zXZ\0", "xz"), (0, b"\x28\xb5\x2f\xfd", "zst"),
    (0, b"PK\x03\x04", "zip"), (0, b"PK\x05\x06", "zip"),
)  # fmt: skip

OTHERS = (
    (32769, b"CD001", "an ISO 9660 image, the disc of an installer or of files"),
    (0, b"COWD", "a vmdk of an ESX host of the old kind"),
    (0, b"\xbe\xba\xfe\xca\0\0\0\0", "a vmdk of an ESX host (sparse snapshot)"),
    (0, b"LUKS\xba\xbe", "an encrypted disk (LUKS)"),
    (0, b"QED\0", "a QED image"),
    (0, b"WithoutFreeSpace", "a Parallels disk"), (0, b"WithouFreSpacExt", "a Parallels disk"),
    (0, b"Bochs Virtual HD Image", "a Bochs disk"),
    (0, b"#!/bin/sh\n#V2.0 Format", "a cloop image"),
    (0, b"%PDF", "a PDF document"), (0, b"\x7fELF", "a Linux program (ELF)"), (0, b"MZ", "a Windows program"),
    (0, b"\x89PNG", "a picture (PNG)"), (0, b"\xff\xd8\xff", "a picture (JPEG)"), (0, b"GIF8", "a picture (GIF)"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"), (0, b"Rar!", "a RAR archive"), (0, b"!<arch>", "a Debian package"),
    (0, b"\xed\xab\xee\xdb", "an RPM package"), (0, b"hsqs", "a squashfs file system"),
    (0, b"070701", "a cpio archive"), (0, b"\x04\x22\x4d\x18", "compressed by lz4"),
    (0, b"LZIP", "compressed by lzip"), (0, b"]\0\0", "compressed by the old lzma"),
    (0, b"MSWIM", "a Windows image (WIM)"), (0, b"SQLite format 3", "a database (SQLite)"),
)  # fmt: skip
"""What nothing can be made of, in words."""

FILESYSTEMS = (
    (510, b"\x55\xaa"), (512, b"EFI PART"), (4096, b"EFI PART"),
    (1080, b"\x53\xef"), (0, b"XFSB"), (65536 + 64, b"_BHRfS_M"),
)  # fmt: skip
"""A partition table, or the superblock of ext, xfs or btrfs."""

LOOKED_AT = 68 << 10
VHD_FOOTER = 512


def recognise(reader: Reader) -> str:
    """A name in FORMATS. Raises LabwrightError (config) that says what it is instead."""
    data = reader.head(LOOKED_AT)
    for offset, magic, name in STARTS:
        if data.startswith(magic, offset):
            return name
    for offset, magic, words in OTHERS:
        if data.startswith(magic, offset):
            raise reader.refuse(f"it is {words}", "name the image of a disk: qcow2, vmdk, vdi, vhd, vhdx, ova or raw")
    if tar.is_tar(data):
        return "tar"
    if _ends_like_vhd(reader):
        return "vpc"
    if any(data.startswith(magic, offset) for offset, magic in FILESYSTEMS):
        return "raw"
    raise reader.refuse(f"it is {_guess(data)}", "name the image of a disk; was the download finished, and the page of "
                        "a login not saved in its place?")  # fmt: skip


def _ends_like_vhd(reader: Reader) -> bool:
    if not reader.whole or reader.size <= VHD_FOOTER:
        return False
    return reader.at(reader.size - VHD_FOOTER, 8, "end") == b"conectix"


def _guess(data: bytes) -> str:
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page (HTML)"
    if start.startswith(b"<?xml") or start.startswith(b"<"):
        return "an XML document"
    if not data.strip(b"\0"):
        return "empty space: its beginning is nothing but zeros"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in data[:512]):
        return "a text"
    return "no disk: it has no partition table and no file system that is known"
