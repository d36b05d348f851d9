"""The descriptor of a vmdk: lines of text that say what the disk is made of.

QEMU looks in it for words, wherever they stand, and passes over what it does not understand. So only what is understood
to the last line is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from labwright.foreign.model import in_words
from labwright.foreign.reader import DAMAGED, Reader

START = b"# Disk DescriptorFile"
LARGEST = 64 << 10
MOST_EXTENTS = 1024
LEFT_OVER = 6
"""Bytes. QEMU writes the number of a content (CID, eight hexadecimal digits) without its leading zeros, over a text
with a longer one; what stays behind the new end is the end of the old text."""
NO_PARENT = "ffffffff"
ALONE = ("monolithicSparse", "streamOptimized")
SPLIT = ("twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "monolithicFlat")
SETTING = re.compile(r'([A-Za-z][\w.:-]*)[ \t]*=[ \t]*("[^"\n]*"|[\w.:+-]*)')
EXTENT = re.compile(r'([A-Z]+) +([0-9]{1,15}) +([A-Z]+)(?: +"([^"\n]*)"(?: +([0-9]{1,15}))?)?(?: +[\w-]+)*')
NAME = re.compile(r"\w[\w .()+@,=\[\]-]{0,250}")
MAKE_WHOLE = "copy the disk with the program that made it, in one file and without snapshots"


@dataclass(frozen=True)
class Extent:
    """A piece of the disk. kind: SPARSE or FLAT. name: of a file beside it. sectors, offset: in units of 512 bytes."""

    kind: str
    name: str
    sectors: int
    offset: int


@dataclass(frozen=True)
class Descriptor:
    """What a descriptor says. kind: its createType."""

    kind: str
    extents: tuple[Extent, ...]

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk."""
        return sum(extent.sectors for extent in self.extents) * 512


def parse(reader: Reader, data: bytes) -> Descriptor:
    """Understand a descriptor. Raises LabwrightError (config) for other types, parents, and anything not understood."""
    check_parents(reader, data)
    text, _, rest = data.partition(b"\0")
    left = rest.rstrip(b"\0")
    if len(left) > LEFT_OVER or not text.endswith(left):
        raise reader.refuse("its descriptor goes on behind its end", DAMAGED)
    try:
        lines = text.decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise reader.refuse("its descriptor is no text", DAMAGED) from error
    if lines[0].strip() != START.decode():
        raise reader.refuse("it does not begin like the descriptor of a vmdk", DAMAGED)
    settings: dict[str, str] = {}
    pieces: list[re.Match[str]] = []
    for number, raw in enumerate(lines, start=1):
        line = raw.strip(" \t")
        if not line.isprintable():
            raise reader.refuse(f"line {number} of its descriptor has characters that are no text", DAMAGED)
        if not line or line.startswith("#"):
            continue
        if found := SETTING.fullmatch(line):
            if settings.setdefault(found[1], found[2]) != found[2]:
                raise reader.refuse(f"its descriptor says {found[1]} twice", DAMAGED)
        elif found := EXTENT.fullmatch(line):
            pieces.append(found)
        else:
            raise reader.refuse(f"line {number} of its descriptor is not understood: {line[:60]!r}", DAMAGED)
    kind = settings.get("createType", "").strip('"')
    if kind not in ALONE + SPLIT:
        raise reader.refuse(f"it is a vmdk of the type {kind!r}: part of a host or of another disk", MAKE_WHOLE)
    if len(pieces) > MOST_EXTENTS:
        raise reader.refuse(f"it is in {len(pieces)} pieces; {MOST_EXTENTS} may be", MAKE_WHOLE)
    return Descriptor(kind, tuple(_extent(reader, found) for found in pieces))


def check_parents(reader: Reader, data: bytes) -> None:
    """Raise LabwrightError (config) when words for a parent are anywhere: QEMU searches the text for them."""
    parents = {found.lower() for found in re.findall(rb"parentCID[ \t]*=[ \t]*([^\s\0]*)", data, re.IGNORECASE)}
    if b"parentfilenamehint" in data.lower() or parents - {NO_PARENT.encode()}:
        raise reader.refuse("it builds on another disk (a parent), another file of this machine", MAKE_WHOLE)


def _extent(reader: Reader, found: re.Match[str]) -> Extent:
    access, sectors, kind, name, offset = found.groups()
    if kind not in ("SPARSE", "FLAT"):
        raise reader.refuse(f"a piece of it is of the kind {kind}, which is not taken", MAKE_WHOLE)
    if access != "RW":
        raise reader.refuse(f"a piece of it is marked {access}, and QEMU would leave it out", MAKE_WHOLE)
    if name is None or not NAME.fullmatch(name) or ".." in name or name.strip() != name:
        raise reader.refuse(f"a piece of it is named {name!r}, which is no plain name of a file beside it", MAKE_WHOLE)
    if (offset is None) != (kind == "SPARSE") and kind == "FLAT":
        raise reader.refuse("a flat piece of it has no place", DAMAGED)
    if int(sectors) == 0 or int(sectors) > 1 << 44:
        raise reader.refuse(f"a piece of it has {in_words(int(sectors) * 512)}", DAMAGED)
    return Extent(kind, name, int(sectors), int(offset or 0))
