"""The qcow2 back out of the layers of a container that starts it. All that is read here is hostile."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labwright.disk.qcow2 import to_small_qcow2
from labwright.errors import Cause, LabwrightError
from labwright.foreign.inspect import inspect_image
from labwright.foreign.qcow2 import check_tables, read_header
from labwright.foreign.reader import opened
from labwright.host.files import file_digest
from labwright.host.usage import free_space
from labwright.interfaces import Workbench
from labwright.publish.kind import Pulled
from labwright.publish.platform.blocks import full_blocks
from labwright.publish.platform.extents import FOLDER, PART, Part
from labwright.publish.untar import RATIO, SLACK, BadArchive, Entry, entries
from labwright.registry.manifest import Descriptor

LARGEST_DISK = 1 << 41
LARGEST_TEXTS = 1 << 25
AT_ONCE = 1 << 20
MOST_EXTENTS = 100_000
NAME = "[a-z0-9][a-z0-9-]{0,62}"
LAYOUT = re.compile(rf"{FOLDER}/({NAME})\.layout\.json")
REPORT = re.compile(rf"{FOLDER}/({NAME})\.json")
PIECE = re.compile(rf"{FOLDER}/([0-9a-f]{{24}}|{NAME}\.qcow2)")
Size = Annotated[int, Field(ge=512, le=LARGEST_DISK, multiple_of=512)]
Offset = Annotated[int, Field(ge=0, le=LARGEST_DISK)]


class _Layout(BaseModel):
    """labwright.publish.platform.extents.Layout, from outside."""

    model_config = ConfigDict(strict=True, extra="forbid")
    size: Size
    directories: Annotated[str, Field(pattern=rf"^{NAME}\.qcow2$")]
    extents: Annotated[
        list[tuple[Size, Annotated[str, Field(pattern=r"^([0-9a-f]{24})?$")], Offset]],
        Field(min_length=1, max_length=MOST_EXTENTS),
    ]


def disk_from_layers(pulled: Pulled, folder: Path, bench: Workbench) -> None:
    """The disks and the report, as `labwright build` names them. Raises LabwrightError (config) for what is no such.

    A qcow2 is packed anew: the disk is the same to the last bit, its file may not be, and the report says the new one's
    hash.
    """
    texts = _texts(pulled, bench)
    layouts = {found[1]: data for path, data in texts.items() if (found := LAYOUT.fullmatch(path))}
    reports = {found[1]: data for path, data in texts.items() if (found := REPORT.fullmatch(path))}
    if len(reports) != 1 or "system" not in layouts:
        raise refused(pulled, "its last layer has no layout of a disk, or no report")
    ((slug, report),) = reports.items()
    read = {name: _layout(pulled, data) for name, data in layouts.items()}
    facts = _report(pulled, slug, report)
    packed = sum(layer.size for layer in _disk_layers(pulled))
    with _refusing(pulled):
        pieces = _pieces(pulled, Allowance(packed), bench)
    # A piece may be in a disk more than once: what the pieces take does not bound the disks.
    written = Allowance(packed)
    for name, layout in read.items():
        place = folder / (f"{slug}.qcow2" if name == "system" else f"{slug}-{name}.qcow2")
        _check_amount(pulled, layout, pieces, written, bench)
        _assemble(pulled, layout, pieces, place, bench)
        said = facts if name == "system" else facts["disks"].setdefault(name, {})
        said |= {"sha256": file_digest(place), "bytes": place.stat().st_size}
    (folder / f"{slug}.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


class Allowance:
    """Bytes that layers, which have so many packed, may come to in all: an archive's own limit is for it alone."""

    def __init__(self, packed: int) -> None:
        self._left = RATIO * packed + SLACK

    def take(self, count: int, pulled: Pulled) -> None:
        """Raises LabwrightError (config) where there is no more."""
        self._left -= count
        if self._left < 0:
            raise refused(pulled, "much more comes out of its layers than went in")


@contextlib.contextmanager
def _refusing(pulled: Pulled) -> Iterator[None]:
    try:
        yield
    except BadArchive as error:
        raise refused(pulled, f"one of its layers {error}") from error


def _disk_layers(pulled: Pulled) -> Sequence[Descriptor]:
    """What the layers say that they are decides only whether they are looked at."""
    return [layer for layer in pulled.manifest.layers if layer.annotations.get(PART) == Part.DISK]


def _texts(pulled: Pulled, bench: Workbench) -> dict[str, bytes]:
    """The small files of the last layer."""
    if not pulled.manifest.layers:
        raise refused(pulled, "it has no layers")
    last, place, texts, left = pulled.manifest.layers[-1], bench.scratch / "last", dict[str, bytes](), LARGEST_TEXTS
    with _fetched(pulled, last, place), _refusing(pulled):
        for entry in _files(pulled, place):
            if LAYOUT.fullmatch(entry.name) or REPORT.fullmatch(entry.name):
                left -= entry.size
                if left < 0:
                    raise refused(pulled, f"{entry.name} is too large")
                texts[entry.name] = entry.read()
    return texts


@contextlib.contextmanager
def _fetched(pulled: Pulled, layer: Descriptor, place: Path) -> Iterator[None]:
    """A layer in a file, which is gone afterwards."""
    pulled.fetch(layer, place)
    try:
        yield
    finally:
        place.unlink(missing_ok=True)


def _files(pulled: Pulled, layer: Path) -> Iterator[Entry]:
    for entry in entries(layer):
        if entry.is_file:
            yield entry
        elif not entry.is_folder:
            raise refused(pulled, "its layers hold something else than folders and plain files")


def _layout(pulled: Pulled, data: bytes) -> _Layout:
    try:
        layout = _Layout.model_validate_json(data)
    except ValidationError as error:
        raise refused(pulled, f"the layout of its disk is not understood: {error.errors()[0]['msg']}") from error
    if sum(size for size, _, _ in layout.extents) != layout.size:
        raise refused(pulled, "the parts of its disk are not as long as the disk")
    return layout


def _report(pulled: Pulled, slug: str, data: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise refused(pulled, "its report is no JSON") from error
    if not isinstance(facts, dict) or facts.get("image") != slug:
        raise refused(pulled, "its report is another image's")
    disks = facts.setdefault("disks", {})
    if not isinstance(disks, dict) or not all(isinstance(said, dict) for said in disks.values()):
        raise refused(pulled, "what its report says of disks is not understood")
    return facts


def _pieces(pulled: Pulled, allowance: Allowance, bench: Workbench) -> dict[str, Path]:
    """The pieces of all disks, by name. Raises BadArchive."""
    folder, found = bench.scratch / "pieces", dict[str, Path]()
    folder.mkdir()
    for number, layer in enumerate(_disk_layers(pulled)):
        place = bench.scratch / f"layer-{number}"
        with _fetched(pulled, layer, place):
            for entry in _files(pulled, place):
                piece = PIECE.fullmatch(entry.name)
                if piece is None or piece[1] in found:
                    raise refused(pulled, "its layers hold something else than pieces of a disk")
                allowance.take(entry.size, pulled)
                _check_room(pulled, entry.size, folder)
                found[piece[1]] = folder / piece[1]
                with found[piece[1]].open("xb") as output:
                    while data := entry.read(AT_ONCE):
                        output.write(data)
    return found


def _check_amount(
    pulled: Pulled, layout: _Layout, pieces: Mapping[str, Path], allowance: Allowance, bench: Workbench
) -> None:
    """Raise LabwrightError (config) for pieces that are not there, and for a disk that gets much more data than its
    layers have: extents may name one piece again and again, and a qcow2 map all of its clusters to the same one."""
    lacking = {file for _, file, _ in layout.extents if file} | {layout.directories}
    if missing := sorted(lacking - pieces.keys()):
        raise refused(pulled, f"the piece {missing[0]} of its disk is not there")
    image = pieces[layout.directories]
    # It may name a file of this host as what lies below it: that is what the inspection refuses.
    inspect_image(image)
    with opened(image) as reader:
        directories = check_tables(reader, read_header(reader))
    amount = sum(size for size, file, _ in layout.extents if file) + 2 * directories
    allowance.take(amount, pulled)
    _check_room(pulled, amount, bench.scratch)


def _check_room(pulled: Pulled, amount: int, folder: Path) -> None:
    if amount > free_space(folder):
        raise LabwrightError(
            f"{pulled.source} unpacks to more than is free: {amount // 1_000_000} MB more are needed",
            cause=Cause.DISK_FULL,
            hint="free some space, or put the work elsewhere with LABWRIGHT_CACHE; then run it again",
        )


def _assemble(pulled: Pulled, layout: _Layout, pieces: Mapping[str, Path], place: Path, bench: Workbench) -> None:
    """Put the pieces of one disk together, and the blocks of directories over them."""
    raw = bench.scratch / f"{place.stem}.raw"
    with raw.open("xb") as output:
        output.truncate(layout.size)
        position = 0
        for size, file, offset in layout.extents:
            if file:
                _copy(pulled, pieces[file], offset, size, output.fileno(), position)
            position += size
        for at, data in _directories(pulled, pieces[layout.directories], layout.size, bench):
            os.pwrite(output.fileno(), data[: layout.size - at], at)
    to_small_qcow2(raw, place, bench)
    raw.unlink()


def _copy(pulled: Pulled, piece: Path, offset: int, size: int, output: int, position: int) -> None:
    with piece.open("rb") as stream:
        stream.seek(offset)
        left = size
        while left:
            data = stream.read(min(left, AT_ONCE))
            if not data:
                raise refused(pulled, "a piece of its disk is too short")
            os.pwrite(output, data, position + size - left)
            left -= len(data)


def _directories(pulled: Pulled, image: Path, size: int, bench: Workbench) -> Iterator[tuple[int, bytes]]:
    """image: inspected."""
    raw = bench.scratch / f"{image.name}.raw"
    bench.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw], what=f"{pulled.source} cannot be read")
    if raw.stat().st_size != size:
        raise refused(pulled, "the directories are another disk's")
    yield from ((block.place, block.data) for block in full_blocks(raw))
    raw.unlink()


def refused(pulled: Pulled, why: str) -> LabwrightError:
    """The error for an image that is not put together."""
    return LabwrightError(
        f"{pulled.source} is refused: {why}", cause=Cause.CONFIG, hint="it was not made by labwright publish"
    )
