"""A vmdk in several files: a descriptor and the pieces beside it, each looked at before QEMU opens it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labwright.foreign import descriptor, vmdk
from labwright.foreign.reader import DAMAGED, Reader, opened

SECTOR = 512


@dataclass(frozen=True)
class Pieces:
    """files: the pieces and their stamps. bytes: of all of them. allocated: bytes of the disk that have data."""

    allocated: int
    files: dict[Path, tuple[int, ...]]
    bytes: int


def read(reader: Reader) -> descriptor.Descriptor:
    """The descriptor. Raises LabwrightError (config) unless all its pieces are files of their own with plain names."""
    if reader.size > descriptor.LARGEST:
        raise reader.refuse("its descriptor is larger than any that VMware writes", DAMAGED)
    found = descriptor.parse(reader, reader.at(0, reader.size, "descriptor"))
    if found.kind not in descriptor.SPLIT:
        raise reader.refuse(f"its descriptor says {found.kind!r}, which is never a file of its own", DAMAGED)
    if not found.extents:
        raise reader.refuse("its descriptor names no piece", DAMAGED)
    names = [extent.name for extent in found.extents]
    if reader.path is not None and reader.path.name in names:
        raise reader.refuse("its descriptor names itself as a piece", DAMAGED)
    sparse = found.kind == "twoGbMaxExtentSparse"
    if any((extent.kind == "SPARSE") != sparse for extent in found.extents):
        raise reader.refuse(f"its pieces are not of its type, {found.kind}", DAMAGED)
    if sparse and len(set(names)) != len(names):
        raise reader.refuse("it has the same piece twice", DAMAGED)
    return found


def check(reader: Reader, found: descriptor.Descriptor) -> Pieces:
    """Look at every piece. Raises LabwrightError (config) for what is missing, elsewhere or not what it should be."""
    if reader.path is None:
        raise reader.refuse("it is the description of a disk in several files", "put them into one zip archive")
    files: dict[Path, tuple[int, ...]] = {}
    sizes: dict[Path, int] = {}
    allocated = 0
    for extent in found.extents:
        path = reader.path.parent / extent.name
        with opened(path, f"{reader.name}: its piece {extent.name}", follow=False) as piece:
            allocated += _check_piece(piece, extent)
            files[path], sizes[path] = piece.stamp(), piece.size
    return Pieces(min(allocated, found.virtual_size), files, sum(sizes.values()))


def _check_piece(piece: Reader, extent: descriptor.Extent) -> int:
    if extent.kind == "FLAT":
        piece.need(extent.offset * SECTOR, extent.sectors * SECTOR, "data")
        return extent.sectors * SECTOR
    header = vmdk.read_header(piece, piece=True)
    if header.capacity != extent.sectors:
        raise piece.refuse(f"it has {header.capacity} sectors, and its disk says {extent.sectors}", DAMAGED)
    return vmdk.check_tables(piece, header)
