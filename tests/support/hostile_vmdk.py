"""vmdk images that try something."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from support.hostile import SECRET_NAME, case, write

SECTORS = 131072
SECTOR = 512
AT_END = (1 << 64) - 1


def text(*extents: str, kind: str = "twoGbMaxExtentSparse", parent: str = "ffffffff", more: str = "") -> bytes:
    """A descriptor."""
    lines = ["# Disk DescriptorFile", "version=1", "CID=99df8318", f"parentCID={parent}", f'createType="{kind}"', more,
             *extents, 'ddb.adapterType = "ide"', ""]  # fmt: skip
    return "\n".join(lines).encode()


def sparse(
    capacity: int = SECTORS, grain: int = 128, place: int = 1, size: int = 20, entries: int = 512, directory: int = 21,
    flags: int = 1, compression: int = 0, descriptor: bytes | None = None, table: bytes = b"",
) -> bytes:  # fmt: skip
    """A sparse file of one grain table after its directory; empty and sound unless told otherwise."""
    header = struct.pack("<4sIIQQQQIQQQB4sH", b"KDMV", 1, flags, capacity, grain, place, size, entries, 0, directory,
                         128, 0, b"\n \r\n", compression)  # fmt: skip
    tables = -(-capacity // (grain * entries)) if capacity and grain and entries else 1
    if descriptor is None:
        descriptor = text(f'RW {capacity} SPARSE "disk.vmdk"', kind="monolithicSparse")
    data = header.ljust(SECTOR, b"\0") + descriptor.ljust(20 * SECTOR, b"\0")
    data += struct.pack("<I", 22) * min(tables, 128) + bytes(SECTOR)
    data = data[: 22 * SECTOR].ljust(22 * SECTOR, b"\0") + table.ljust(4 * SECTOR, b"\0")
    return data.ljust(128 * SECTOR, b"\0")


def split(folder: Path, *extents: str, **facts: str) -> Path:
    return write(folder / "disk.vmdk", text(*extents, **facts))


def piece(folder: Path, **facts: int | bytes) -> str:
    """A piece beside the descriptor, and the line that names it."""
    write(folder / "disk-s001.vmdk", sparse(**{"descriptor": b"", **facts}))  # type: ignore[arg-type]
    return f'RW {SECTORS} SPARSE "disk-s001.vmdk"'


@case
def vmdk_parent(folder: Path) -> Path:
    """Builds on another disk of the host."""
    hint = f'parentFileNameHint="{folder.parent / SECRET_NAME}"'
    return split(folder, piece(folder), parent="12345678", more=hint)


@case
def vmdk_parent_identity(folder: Path) -> Path:
    """Names the identity of a parent alone."""
    return split(folder, piece(folder), parent="12345678")


@case
def vmdk_parent_in_comment(folder: Path) -> Path:
    """Hides the parent's name in a comment, where QEMU finds it."""
    return split(folder, piece(folder), more=f'# parentFileNameHint="{folder.parent / SECRET_NAME}"')


@case
def vmdk_parent_embedded(folder: Path) -> Path:
    """Has a parent in the descriptor within a sparse file."""
    inside = text(f'RW {SECTORS} SPARSE "disk.vmdk"', kind="monolithicSparse", parent="1",
                  more=f'parentFileNameHint="{folder.parent / SECRET_NAME}"')  # fmt: skip
    return write(folder / "disk.vmdk", sparse(place=1, size=20, descriptor=inside))


@case
def vmdk_parent_where_qemu_looks(folder: Path) -> Path:
    """Says that it has no descriptor, with a parent at the place where QEMU looks for one."""
    inside = text(parent="1", more=f'parentFileNameHint="{folder.parent / SECRET_NAME}"')
    return write(folder / "disk.vmdk", sparse(place=0, size=0, descriptor=inside))


@case
def vmdk_absolute_piece(folder: Path) -> Path:
    """Has a file of the host as a piece, by its absolute path."""
    return split(folder, f'RW 100 FLAT "{folder.parent / SECRET_NAME}" 0', kind="monolithicFlat")


@case
def vmdk_climbing_piece(folder: Path) -> Path:
    """Has a file of the host as a piece, by a path that climbs."""
    return split(folder, f'RW 100 FLAT "../{SECRET_NAME}" 0', kind="monolithicFlat")


@case
def vmdk_backslash_piece(folder: Path) -> Path:
    """Climbs with the separators of Windows."""
    return split(folder, f'RW 100 FLAT "..\\{SECRET_NAME}" 0', kind="monolithicFlat")


@case
def vmdk_protocol_piece(folder: Path) -> Path:
    """Has another machine's disk as a piece."""
    return split(folder, 'RW 100 FLAT "nbd:127.0.0.1:10809" 0', kind="monolithicFlat")


@case
def vmdk_json_piece(folder: Path) -> Path:
    """Has a piece by QEMU's json: names."""
    return split(folder, "RW 100 FLAT \"json:{'driver':'nbd'}\" 0", kind="monolithicFlat")


@case
def vmdk_linked_piece(folder: Path) -> Path:
    """Has a piece beside it that is a symbolic link to a file of the host."""
    (folder / "disk-flat.vmdk").symlink_to(folder.parent / SECRET_NAME)
    return split(folder, 'RW 100 FLAT "disk-flat.vmdk" 0', kind="monolithicFlat")


@case
def vmdk_pipe_piece(folder: Path) -> Path:
    """Has a pipe as a piece, so that the reader waits for ever."""
    os.mkfifo(folder / "disk-flat.vmdk")
    return split(folder, 'RW 100 FLAT "disk-flat.vmdk" 0', kind="monolithicFlat")


@case
def vmdk_missing_piece(folder: Path) -> Path:
    """Has a piece that is not there."""
    return split(folder, 'RW 100 SPARSE "disk-s001.vmdk"')


@case
def vmdk_short_piece(folder: Path) -> Path:
    """Has a flat piece that is shorter than it says."""
    write(folder / "disk-flat.vmdk", bytes(SECTOR))
    return split(folder, 'RW 100 FLAT "disk-flat.vmdk" 0', kind="monolithicFlat")


@case
def vmdk_piece_of_another_format(folder: Path) -> Path:
    """Has a piece that is a qcow2 with a backing file."""
    write(folder / "disk-s001.vmdk", b"QFI\xfb".ljust(65536, b"\0"))
    return split(folder, f'RW {SECTORS} SPARSE "disk-s001.vmdk"')


@case
def vmdk_piece_with_descriptor(folder: Path) -> Path:
    """Has a piece with a descriptor of its own, which names a file of the host."""
    inside = text(f'RW 100 FLAT "{folder.parent / SECRET_NAME}" 0', kind="monolithicFlat")
    return split(folder, piece(folder, place=1, size=20, descriptor=inside))


@case
def vmdk_piece_of_no_size(folder: Path) -> Path:
    """Has a piece of 0 sectors, which makes QEMU follow the descriptor in it."""
    inside = text(f'RW 100 FLAT "{folder.parent / SECRET_NAME}" 0', kind="monolithicFlat")
    return split(folder, piece(folder, capacity=0, place=1, size=20, descriptor=inside))


@case
def vmdk_itself_as_piece(folder: Path) -> Path:
    """Is a piece of itself."""
    return split(folder, 'RW 1 FLAT "disk.vmdk" 0', kind="monolithicFlat")


@case
def vmdk_same_piece_twice(folder: Path) -> Path:
    """Has the same piece twice."""
    line = piece(folder)
    return split(folder, line, line)


@case
def vmdk_many_pieces(folder: Path) -> Path:
    """Is in 1500 pieces."""
    return split(folder, *(f'RW 1 FLAT "p{number}" 0' for number in range(1500)), kind="twoGbMaxExtentFlat")


@case
def vmdk_device(folder: Path) -> Path:
    """Is a device of the host."""
    return split(folder, 'RW 100 FLAT "/dev/vda" 0', kind="fullDevice")


@case
def vmdk_of_a_vmfs(folder: Path) -> Path:
    """Is a piece of an ESX host's storage."""
    return split(folder, 'RW 100 VMFS "disk-flat.vmdk"', kind="vmfs")


@case
def vmdk_empty_piece(folder: Path) -> Path:
    """Has a piece of kind ZERO, which QEMU leaves out, so that all behind it moves."""
    return split(folder, "RW 100 ZERO", piece(folder))


@case
def vmdk_unreadable_piece(folder: Path) -> Path:
    """Has a piece marked NOACCESS, which QEMU leaves out."""
    return split(folder, piece(folder).replace("RW", "NOACCESS"))


@case
def vmdk_line_not_understood(folder: Path) -> Path:
    """Has a line that QEMU reads otherwise than others do."""
    return split(folder, piece(folder), more='RW 1 FLAT "a"\x0b0 extra " more')


@case
def vmdk_no_size(folder: Path) -> Path:
    """Has 0 sectors, which makes QEMU follow a descriptor at any place of it."""
    return write(folder / "disk.vmdk", sparse(capacity=0, place=1 << 50, size=20))


@case
def vmdk_descriptor_outside(folder: Path) -> Path:
    """Has its descriptor far behind its end."""
    return write(folder / "disk.vmdk", sparse(place=1 << 50, size=20))


@case
def vmdk_descriptor_vast(folder: Path) -> Path:
    """Has a descriptor of 8 ZiB."""
    return write(folder / "disk.vmdk", sparse(place=1, size=1 << 63))


@case
def vmdk_directory_outside(folder: Path) -> Path:
    """Has its grain directory far behind its end."""
    return write(folder / "disk.vmdk", sparse(directory=1 << 50))


@case
def vmdk_directory_vast(folder: Path) -> Path:
    """Has a disk whose grain directory fills the memory."""
    return write(folder / "disk.vmdk", sparse(capacity=1 << 28, grain=8))


@case
def vmdk_grains_outside(folder: Path) -> Path:
    """Has data far behind its end."""
    return write(folder / "disk.vmdk", sparse(table=struct.pack("<I", 0xFFFFFFF0)))


@case
def vmdk_bomb(folder: Path) -> Path:
    """Shows the same grain a hundred thousand times: 4 GiB from 64 KiB."""
    table = struct.pack("<I", 64) * 512
    return write(folder / "disk.vmdk", sparse(capacity=128 * 65536, table=table))


@case
def vmdk_footer_contradicts(folder: Path) -> Path:
    """Was made as a stream, and its footer, which QEMU believes, has another size than its header."""
    start = sparse(directory=AT_END, flags=0x30001, compression=1)
    footer = sparse(capacity=1 << 40, flags=0x30001, compression=1)[:SECTOR]
    marker = struct.pack("<QII", 1, 0, 3).ljust(SECTOR, b"\0")
    return write(folder / "disk.vmdk", start + marker + footer + bytes(SECTOR))


@case
def vmdk_line_ends_changed(folder: Path) -> Path:
    """Was transferred as text."""
    return write(folder / "disk.vmdk", sparse().replace(b"\n \r\n", b"\n \n\n"))
