"""Appliances (OVA) and other tar archives that try something."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from pathlib import Path

from support.hostile import SECRET_NAME, case, special, tar_of, write
from support.hostile_files import SIGNATURE
from support.hostile_qcow2 import image, secret
from support.hostile_vmdk import SECTORS, sparse, text


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
    entities = '<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
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
    return ova(
        folder, ("box.ovf", ovf("disk.vmdk")), special("disk.vmdk", tarfile.SYMTYPE, str(folder.parent / "secret"))
    )


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
    return ova(folder, ("box.ovf", ovf("disk.vmdk")), ("disk.vmdk", sparse()), ("disk.vmdk", sparse(entries=9)))


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
    start = ova(folder, ("box.ovf", ovf("disk.vmdk"))).read_bytes().rstrip(b"\0")
    start += bytes(-len(start) % 512)
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
