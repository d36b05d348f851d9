"""Raw disks that pretend, names that lie, and files that are no disk at all."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

from support.hostile import SECRET_NAME, case, put, write
from support.hostile_qcow2 import image, secret
from support.hostile_vmdk import text

SIGNATURE = put(bytes(1 << 20), 510, b"\x55\xaa")
"""The least that looks like a disk: a partition table's mark."""


@case
def raw_that_looks_like_qcow2(folder: Path) -> Path:
    """Is a raw disk whose owner wrote the header of a qcow2 with a backing file into its first sector."""
    return write(folder / "disk.img", put(SIGNATURE, 0, image(backing=secret(folder))[:1024]))


@case
def raw_that_looks_like_vmdk(folder: Path) -> Path:
    """Is a raw disk that begins with a descriptor which names a file of the host."""
    lines = text(f'RW 100 FLAT "{folder.parent / SECRET_NAME}" 0', kind="monolithicFlat")
    return write(folder / "disk.raw", put(SIGNATURE, 0, lines))


@case
def raw_that_looks_like_vdi(folder: Path) -> Path:
    """Is a raw disk with the mark of a vdi."""
    return write(folder / "disk.dd", put(SIGNATURE, 64, b"\x7f\x10\xda\xbe"))


@case
def raw_that_ends_like_vhd(folder: Path) -> Path:
    """Is a raw disk that ends with the footer of a vhd."""
    return write(folder / "disk.img", put(SIGNATURE, len(SIGNATURE) - 512, b"conectix"))


@case
def raw_without_a_table(folder: Path) -> Path:
    """Is nothing that is known."""
    return write(folder / "disk.img", os.urandom(4096))


@case
def raw_of_zeros(folder: Path) -> Path:
    """Is empty space, as after a copy that failed."""
    return write(folder / "disk.img", bytes(1 << 20))


@case
def raw_of_terabytes(folder: Path) -> Path:
    """Is a file of 4 TiB that is a hole."""
    path = write(folder / "disk.img", SIGNATURE)
    os.truncate(path, 4 << 40)
    return path


@case
def raw_encrypted(folder: Path) -> Path:
    """Is encrypted by LUKS."""
    return write(folder / "disk.img", put(SIGNATURE, 0, b"LUKS\xba\xbe\0\x02"))


@case
def name_says_vmdk(folder: Path) -> Path:
    """Is a qcow2 and named as a vmdk."""
    return write(folder / "disk.vmdk", image())


@case
def name_says_nothing_known(folder: Path) -> Path:
    """Is a qcow2 with an end of its name that nobody knows."""
    return write(folder / "disk.backup", image())


@case
def name_drives_the_terminal(folder: Path) -> Path:
    """Has control sequences in its name."""
    return write(folder / "\x1b]0;title\x07\x1b[31mdisk.qcow2", image(version=9))


@case
def name_is_an_option(folder: Path) -> Path:
    """Is named like an option of qemu-img, with commas that QEMU would take apart."""
    return write(folder / "-f raw,file.filename=x,,backing=y.qcow2", image(version=9))


@case
def iso(folder: Path) -> Path:
    """Is the disc of an installer that also boots from a disk."""
    return write(folder / "disk.img", put(SIGNATURE, 32768, b"\x01CD001\x01"))


@case
def pdf(folder: Path) -> Path:
    """Is a document."""
    return write(folder / "disk.img", b"%PDF-1.7\n" + bytes(4096))


@case
def program(folder: Path) -> Path:
    """Is a program."""
    return write(folder / "disk", b"\x7fELF\x02\x01\x01" + bytes(4096))


@case
def login_page(folder: Path) -> Path:
    """Is the login page of a network, saved in place of the image."""
    return write(folder / "disk.qcow2", b"<!DOCTYPE html>\n<html><title>Log in</title></html>\n")


@case
def word_document(folder: Path) -> Path:
    """Is a docx, which is a zip archive."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<w:document/>")
    return write(folder / "disk.zip", made.getvalue())


@case
def text_file(folder: Path) -> Path:
    """Is a text."""
    return write(folder / "disk.raw", b"404: Not Found\n")


@case
def empty_file(folder: Path) -> Path:
    """Has nothing in it."""
    return write(folder / "disk.qcow2", b"")


@case
def missing_file(folder: Path) -> Path:
    """Is not there."""
    return folder / "disk.qcow2"


@case
def a_folder(folder: Path) -> Path:
    """Is a folder."""
    (folder / "disk.qcow2").mkdir()
    return folder / "disk.qcow2"


@case
def a_pipe(folder: Path) -> Path:
    """Is a pipe that nobody writes to, so that the reader waits for ever."""
    os.mkfifo(folder / "disk.qcow2")
    return folder / "disk.qcow2"


@case
def a_device(folder: Path) -> Path:
    """Is a link to a device without an end."""
    (folder / "disk.img").symlink_to("/dev/zero")
    return folder / "disk.img"


@case
def a_loop_of_links(folder: Path) -> Path:
    """Is a link to itself."""
    (folder / "disk.img").symlink_to("disk.img")
    return folder / "disk.img"
