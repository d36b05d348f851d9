"""A file that is a disk: content and name agree, it stands on its own, and it is within the limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labwright.foreign import magic, qcow2, split, vdi, vhd, vhdx, vmdk
from labwright.foreign.model import FLOOR, Limits, in_words
from labwright.foreign.reader import Reader

NAMES = {
    ".qcow2": "qcow2", ".vmdk": "vmdk", ".vdi": "vdi", ".vhd": "vpc", ".vpc": "vpc", ".vhdx": "vhdx",
    ".img": "raw", ".raw": "raw", ".dd": "raw", ".bin": "raw",
    ".ova": "ova", ".tar": "tar", ".gz": "gz", ".bz2": "bz2", ".xz": "xz", ".zst": "zst", ".zip": "zip",
    ".tgz": "gz", ".tbz2": "bz2", ".txz": "xz", ".tzst": "zst",
}  # fmt: skip
"""What a name says by its end."""

SHORT = {".tgz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".tzst": ".tar"}
IN_WORDS = magic.FORMATS | {"ova": "an appliance (OVA)"}
USUAL = {"vpc": ".vhd", "raw": ".img"}


@dataclass(frozen=True)
class Disk:
    """A disk that QEMU may open. virtual_size: bytes, 0 where it is not known yet.

    files: pieces beside it, and their stamps.
    """

    format: str
    virtual_size: int
    files: dict[Path, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """How a format is read. header: of at least the beginning. tables: of a whole file, gives the bytes with data."""

    header: Callable[[Reader], Any]
    tables: Callable[[Reader, Any], int]


FORMATS = {
    "qcow2": Format(qcow2.read_header, qcow2.check_tables),
    "vdi": Format(vdi.read_header, vdi.check_tables),
    "vpc": Format(vhd.read_header, vhd.check_tables),
    "vhdx": Format(vhdx.read_header, vhdx.check_tables),
}


def claimed(name: str) -> str:
    """What a file is by its name's end; a name without one is a raw disk's, and "" is for an end that is not known."""
    suffix = Path(name).suffix.lower()
    return NAMES.get(suffix, "") if suffix else "raw"


def inner_name(name: str) -> str:
    """The name without the end that tells the compression."""
    path = Path(name)
    return path.stem + SHORT.get(path.suffix.lower(), "")


def agreed(reader: Reader, name: str) -> str:
    """What a file is by its content, which its name has to say too. Raises LabwrightError (config) that says both."""
    says = claimed(name)
    is_vhd_without_end = says == "vpc" and not reader.whole
    content = "vpc" if is_vhd_without_end else magic.recognise(reader)
    if content == says or (content == "tar" and says == "ova"):
        return says
    if (says, content) == ("vmdk", "raw"):
        raise reader.refuse("it has no header of a vmdk: it is a raw disk, or a piece of a vmdk",
                            "name the small file that describes the pieces, or rename a raw disk to .img")  # fmt: skip
    end = Path(name).suffix
    by_name = IN_WORDS.get(says, f"something that ends in {end}") if end else "a raw disk, having no end"
    better = USUAL.get(content, f".{content}")
    stem = Path(name).stem if says and end else name
    raise reader.refuse(
        f"it is {IN_WORDS[content]} by its content and {by_name} by its name",
        f"if the content is right, rename it to {stem}{better}; whoever filled a raw disk can make it look like an "
        "image that reads other files, so labwright does not guess",
    )


def examine(reader: Reader, format_name: str, limits: Limits) -> Disk:
    """Look at a disk before QEMU does. Raises LabwrightError (config) for all that labwright does not take.

    Of the beginning of a file only the header is looked at.
    """
    if format_name == "vmdk":
        return _vmdk(reader, limits)
    if format_name == "raw":
        # QEMU reads a last sector that is not whole as one that ends in zeros.
        size = -(-reader.size // 512) * 512 if reader.whole else 0
        check_size(reader, size, limits)
        return Disk("raw", size)
    chosen = FORMATS[format_name]
    header = chosen.header(reader)
    check_size(reader, header.virtual_size, limits)
    allocated = chosen.tables(reader, header) if reader.whole else 0
    _check_ratio(reader, allocated, reader.size, limits)
    return Disk(format_name, header.virtual_size)


def check_size(reader: Reader, size: int, limits: Limits) -> None:
    """Raise LabwrightError (config) for a disk that is larger than the limit."""
    if size > limits.virtual_size:
        raise reader.refuse(
            f"its disk has {in_words(size)}, and the limit is {in_words(limits.virtual_size)}",
            f"if that is meant, raise the limit: --max-size {math.ceil(size / (1 << 30))} (GiB)",
        )


def _check_ratio(reader: Reader, allocated: int, size: int, limits: Limits) -> None:
    if allocated > max(FLOOR, size * limits.ratio):
        ratio = allocated / size
        raise reader.refuse(
            f"its {in_words(size)} hold {in_words(allocated)} of data, {ratio:.0f} times as much; the limit is "
            f"{limits.ratio:g}",
            f"if that is meant, raise the limit: --max-ratio {math.ceil(ratio)}",
        )


def _vmdk(reader: Reader, limits: Limits) -> Disk:
    if reader.head(len(vmdk.MAGIC)) == vmdk.MAGIC:
        header = vmdk.read_header(reader)
        check_size(reader, header.virtual_size, limits)
        allocated = vmdk.check_tables(reader, header) if reader.whole else 0
        _check_ratio(reader, allocated, reader.size, limits)
        return Disk("vmdk", header.virtual_size)
    found = split.read(reader)
    check_size(reader, found.virtual_size, limits)
    if not reader.whole:
        return Disk("vmdk", found.virtual_size)
    pieces = split.check(reader, found)
    _check_ratio(reader, pieces.allocated, pieces.bytes, limits)
    return Disk("vmdk", found.virtual_size, pieces.files)
