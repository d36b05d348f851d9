"""A disk as many layers, so that a night in which one package changed sends little; QEMU reads it as it lies there.

The content of the raw disk is cut by its content, each piece a file in a layer of its own. A VMDK descriptor with flat
extents (VMware Virtual Disk Format 5.0; QEMU's block/vmdk.c) puts them together again. Blocks of directories change all
over the disk with the first file that is added, and would change every piece: they lie apart, in a small qcow2 above.
"""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from labwright.interfaces import Workbench
from labwright.publish.container import Member, tar_layer
from labwright.publish.platform.blocks import BLOCK, Block, Cut, Span, cut, full_blocks, target
from labwright.registry.blob import Blob

Made = TypeVar("Made")
SECTOR = 512
FOLDER = "disk"
DISKS = Member(FOLDER, 0o755)
ZEROS = "zeros"
"""A short file that stands for every empty range: QEMU reads zeros behind the end of a file."""
LEVEL = 6
WAYS = 2
DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="twoGbMaxExtentFlat"

# Extent description
{extents}

# The Disk Data Base
#DDB
ddb.adapterType = "ide"
ddb.virtualHWVersion = "4"
ddb.geometry.sectors = "63"
ddb.geometry.heads = "16"
ddb.geometry.cylinders = "{cylinders}"
"""


PART = "org.labwright.part"
"""The annotation of a layer that says what is in it."""


class Part(StrEnum):
    """What layers hold: labwright pull fetches only disks and the device's."""

    RUNTIME = "runtime"
    PROGRAM = "program"
    DISK = "disk"
    DEVICE = "device"


@dataclass(frozen=True)
class Packed:
    """A gzipped tar layer in a file. diff_id: the digest of the tar itself, which a container's config lists."""

    file: Path
    diff_id: str
    part: Part


@dataclass(frozen=True)
class Extent:
    """A range of the disk. file: the piece that it is read from, empty for zeros; offset: bytes into that."""

    size: int
    file: str = ""
    offset: int = 0


@dataclass(frozen=True)
class Layout:
    """Where everything of a disk is. size: bytes of the disk. directories: the qcow2 that lies above the extents."""

    size: int
    extents: tuple[Extent, ...]
    directories: str

    @property
    def pieces(self) -> tuple[str, ...]:
        """The files that the extents are read from, each once."""
        return tuple(dict.fromkeys(extent.file for extent in self.extents if extent.file))

    def text(self) -> str:
        """As JSON, for labwright pull."""
        rows = [[extent.size, extent.file, extent.offset] for extent in self.extents]
        facts = {"size": self.size, "directories": self.directories, "extents": rows}
        return json.dumps(facts, separators=(",", ":"), sort_keys=True) + "\n"

    def descriptor(self) -> str:
        """As VMDK, for QEMU."""
        rows = (f'RW {one.size // SECTOR} FLAT "{one.file or ZEROS}" {one.offset // SECTOR}' for one in self.extents)
        return DESCRIPTOR.format(extents="\n".join(rows), cylinders=min(self.size // SECTOR // (63 * 16), 16383))


def pack_disks(disks: Mapping[str, Path], bench: Workbench) -> tuple[dict[str, Layout], list[Packed]]:
    """The layers of a device's qcow2 disks, in the bench's scratch folder. disks: by their names within the device.

    Pieces of all have one mean size: what a container takes are layers in all. Raises LabwrightError (host, disk full).
    """
    raws = {name: bench.scratch / f"{name}.raw" for name in disks}
    for name, disk in disks.items():
        bench.run(
            ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk, raws[name]], what=f"{disk.name} cannot be read"
        )
    used = sum(BLOCK for raw in raws.values() for _ in full_blocks(raw))
    layouts, layers = dict[str, Layout](), list[Packed]()
    for name, raw in raws.items():
        bench.say(f"cutting {disks[name].name}, {used / 1e6:.0f} MB in all disks")
        layouts[name], more = _pack(name, raw, target(used), bench)
        layers += more
    return layouts, layers


def _pack(name: str, raw: Path, mean: int, bench: Workbench) -> tuple[Layout, list[Packed]]:
    """One disk; its raw form is gone afterwards. mean: bytes of a piece."""
    size, apart = raw.stat().st_size, bench.scratch / f"{name}-directories.raw"
    with apart.open("wb") as stream:
        stream.truncate(size)

        def content() -> Iterator[Block]:
            for block in full_blocks(raw):
                if block.directory:
                    stream.seek(block.place)
                    stream.write(block.data)
                else:
                    yield block

        placed, layers = pack_cuts(cut(content(), mean), bench)
    raw.unlink()
    above = f"{name}.qcow2"
    layers.append(_directories(apart, above, bench))
    return Layout(size, tuple(extents_of(placed, size)), above), layers


def pack_cuts(cuts: Iterable[Cut], bench: Workbench) -> tuple[list[tuple[Span, str, int]], list[Packed]]:
    """A layer a piece, and where each span of the disk is: its piece and the offset in there."""
    placed: list[tuple[Span, str, int]] = []
    layers: dict[str, Packed] = {}

    def one(piece: Cut) -> tuple[Sequence[Span], str, Packed]:
        # By its content: where it stands on the disk must not change the layer.
        file = Blob.of(piece.data).digest.removeprefix("sha256:")[:24]
        return (
            piece.spans,
            file,
            pack_layer([DISKS, Member(f"{FOLDER}/{file}", 0o444, piece.data)], bench.scratch / file),
        )

    for spans, file, layer in _by_several(one, cuts):
        offset = 0
        for span in spans:
            placed.append((span, file, offset))
            offset += span.size
        layers[file] = layer
    return placed, list(layers.values())


def _by_several(work: Callable[[Cut], Made], pieces: Iterable[Cut]) -> Iterator[Made]:
    """What `work` makes of each, in their order. No more are cut than are worked on: a whole disk in pieces would not
    fit into memory."""
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(WAYS) as pool:
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            del piece
            if len(waiting) == WAYS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def extents_of(placed: Sequence[tuple[Span, str, int]], size: int) -> Iterator[Extent]:
    """The whole disk from its beginning to its end, the empty ranges too."""
    position = 0
    for span, file, offset in sorted(placed, key=lambda one: one[0].place):
        if span.place > position:
            yield Extent(span.place - position)
        # The last block of a disk may reach over its end.
        yield Extent(min(span.size, size - span.place), file, offset)
        position = span.place + span.size
    if position < size:
        yield Extent(size - position)


def _directories(raw: Path, name: str, bench: Workbench) -> Packed:
    """The blocks of directories as a qcow2 whose other clusters are not there: they are read from below."""
    image = bench.scratch / name
    bench.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-S", BLOCK, "-o", f"cluster_size={BLOCK}", raw, image],
        what="the directories cannot be kept apart",
    )
    raw.unlink()
    return pack_layer([DISKS, Member(f"{FOLDER}/{name}", 0o444, image.read_bytes())], bench.scratch / f"{name}.layer")


def pack_layer(members: Iterable[Member], place: Path, part: Part = Part.DISK) -> Packed:
    """A layer of these members in a file, gzipped: the same members give the same bytes (of one zlib)."""
    layer = tar_layer(members)
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
    with place.open("wb") as stream:
        for data in layer.blob.read():
            stream.write(packer.compress(data))
        stream.write(packer.flush())
    return Packed(place, layer.blob.digest, part)
