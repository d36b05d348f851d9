"""Root file systems in tar archives that try something when they are unpacked."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

from support.hostile import SECRET_NAME, special, tar_of, tree, write

RELEASE = ("etc/os-release", b"ID=debian\n")


def rooted(folder: Path, *members: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> Path:
    return tar_of(folder / "root.tar", RELEASE, *members, form=form)


@tree
def tree_climbs(folder: Path) -> Path:
    """Has a member that would be written outside of the tree."""
    return rooted(folder, ("usr/../../escaped", b"x"))


@tree
def tree_absolute(folder: Path) -> Path:
    """Has a member with an absolute path."""
    return rooted(folder, ("/escaped", b"x"))


@tree
def tree_through_a_link(folder: Path) -> Path:
    """Has a link to a folder of the host and a member under it."""
    return rooted(folder, special("usr", tarfile.SYMTYPE, str(folder.parent)), ("usr/escaped", b"x"))


@tree
def tree_through_links(folder: Path) -> Path:
    """The same, over two links that lead outside only together."""
    return rooted(folder, special("a", tarfile.DIRTYPE), special("a/b", tarfile.SYMTYPE, ".."),
                  special("a/b/c", tarfile.SYMTYPE, ".."), ("a/b/c/escaped", b"x"))  # fmt: skip


@tree
def tree_folder_becomes_link(folder: Path) -> Path:
    """Has a folder with members and then a link of its name."""
    return rooted(folder, special("usr", tarfile.DIRTYPE), ("usr/x", b"x"), special("usr", tarfile.SYMTYPE, "/"))


@tree
def tree_under_a_file(folder: Path) -> Path:
    """Has a member under a file."""
    return rooted(folder, ("usr", b"x"), ("usr/x", b"x"))


@tree
def tree_device(folder: Path) -> Path:
    """Has a device, the host's first disk."""
    return rooted(folder, special("dev/disk", tarfile.BLKTYPE))


@tree
def tree_pipe(folder: Path) -> Path:
    """Has a pipe."""
    return rooted(folder, special("run/pipe", tarfile.FIFOTYPE))


@tree
def tree_hard_link_outside(folder: Path) -> Path:
    """Has a hard link to a file of the host."""
    return rooted(folder, special("etc/copy", tarfile.LNKTYPE, str(folder.parent / SECRET_NAME)))


@tree
def tree_hard_link_climbs(folder: Path) -> Path:
    """Has a hard link that climbs to a file of the host."""
    return rooted(folder, special("etc/copy", tarfile.LNKTYPE, f"../{SECRET_NAME}"))


@tree
def tree_hard_link_to_a_link(folder: Path) -> Path:
    """Has a hard link to a symbolic link to a file of the host."""
    return rooted(folder, special("etc/link", tarfile.SYMTYPE, str(folder.parent / SECRET_NAME)),
                  special("etc/copy", tarfile.LNKTYPE, "etc/link"))  # fmt: skip


@tree
def tree_hard_link_forward(folder: Path) -> Path:
    """Has a hard link to a file that comes later."""
    return rooted(folder, special("etc/copy", tarfile.LNKTYPE, "etc/later"), ("etc/later", b"x"))


@tree
def tree_same_name_twice(folder: Path) -> Path:
    """Has the same file twice."""
    return rooted(folder, ("etc/os-release", b"ID=other\n"))


@tree
def tree_sparse(folder: Path) -> Path:
    """Has a sparse file of 8 GiB in no bytes."""
    facts = tarfile.TarInfo("etc/big")
    facts.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(8 << 30)}
    return rooted(folder, facts)


@tree
def tree_global_header(folder: Path) -> Path:
    """Has a header that gives all members another name."""
    header = tarfile.TarInfo.create_pax_global_header({"path": "../escaped"})
    return write(folder / "root.tar", header + rooted(folder).read_bytes())


@tree
def tree_name_in_extension(folder: Path) -> Path:
    """Has a harmless name and in an extended header one that climbs."""
    facts = tarfile.TarInfo("usr/x")
    facts.pax_headers = {"path": "../escaped"}
    return rooted(folder, facts)


@tree
def tree_name_too_long(folder: Path) -> Path:
    """Has a name that no file system takes."""
    return rooted(folder, ("x" * 300, b"x"))


@tree
def tree_bomb(folder: Path) -> Path:
    """Unpacks to 3 GiB of zeros."""
    facts = tarfile.TarInfo("usr/zeros")
    facts.size = 3 << 30
    start = rooted(folder).read_bytes()[:1024]
    zeros = gzip.compress(bytes(16 << 20)) * 192
    return write(folder / "root.tar.gz", gzip.compress(start + facts.tobuf(tarfile.GNU_FORMAT)) + zeros)


@tree
def tree_of_nothing_known(folder: Path) -> Path:
    """Has nothing of a root file system."""
    return tar_of(folder / "root.tar", ("readme", b"x"))


@tree
def tree_in_a_disk(folder: Path) -> Path:
    """Is a disk."""
    return write(folder / "root.img", bytes(510) + b"\x55\xaa" + bytes(4096))
