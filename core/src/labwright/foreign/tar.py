"""Tar archives, read member by member: of what a header claims nothing is believed before it is checked.

Python's own module reads extended headers of any size into memory, and believes what programs extended the format by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from labwright.errors import LabwrightError
from labwright.foreign.reader import DAMAGED

BLOCK = 512
LARGEST_EXTENSION = 1 << 20
"""Bytes of an extended header: it holds names, times and the attributes of one member."""
MOST_EXTENSIONS = 16
LARGEST_MEMBER = 1 << 50
FILE, HARD_LINK, LINK, CHARACTER, DEVICE, FOLDER, PIPE = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
LONG_NAME, LONG_LINK, EXTENDED, GLOBAL = b"L", b"K", b"x", b"g"
IN_WORDS = {CHARACTER: "a device", DEVICE: "a device", PIPE: "a pipe"}


@dataclass(frozen=True)
class Member:
    """A member. offset: of its content in the archive. extended: what an extended header says beside name and size."""

    name: str
    kind: bytes
    size: int
    target: str
    mode: int
    owner: int
    group: int
    time: float
    offset: int
    extended: dict[str, str] = field(default_factory=dict)


def is_tar(data: bytes) -> bool:
    """Whether an archive begins so: a header with the right checksum."""
    return len(data) >= BLOCK and data[257:262] == b"ustar" and _checksum_holds(data[:BLOCK])


def members(stream: BinaryIO, refuse: Callable[[str, str], LabwrightError]) -> Iterator[Member]:
    """The members in order; the stream is at the content of each, and may be read or sought by the caller.

    Raises LabwrightError for what is damaged, and for extensions that change what a content means.
    """
    position = 0
    pending: dict[str, str] = {}
    extensions = 0
    while True:
        stream.seek(position)
        header = stream.read(BLOCK)
        if not header.strip(b"\0"):
            if len(header) < BLOCK:
                raise refuse("the archive ends before its end", DAMAGED)
            return
        if len(header) < BLOCK or not _checksum_holds(header):
            raise refuse("a header in the archive is damaged", DAMAGED)
        member = _header(header, position + BLOCK, refuse)
        if member.kind in (LONG_NAME, LONG_LINK, EXTENDED, GLOBAL):
            if member.size > LARGEST_EXTENSION:
                raise refuse(f"a header in the archive has {member.size} bytes", DAMAGED)
            extensions += 1
            if extensions > MOST_EXTENSIONS:
                raise refuse(f"more than {MOST_EXTENSIONS} headers in the archive are about one member", DAMAGED)
            pending |= _extension(member, stream.read(member.size), refuse)
        else:
            member = _complete(member, pending, refuse)
            pending, extensions = {}, 0
            yield member
        position = member.offset + -(-member.size // BLOCK) * BLOCK


def _checksum_holds(header: bytes) -> bool:
    digits = header[148:156].strip(b" \0")
    return digits.isdigit() and _octal(digits) == sum(header) - sum(header[148:156]) + 8 * 32


def _octal(digits: bytes) -> int:
    try:
        return int(digits, 8)
    except ValueError:
        return -1


def _number(raw: bytes) -> int:
    """Octal digits, or for large numbers base 256 as GNU tar writes it; -1 for anything else."""
    if raw[0] == 0x80:
        return int.from_bytes(raw[1:], "big")
    if raw[0] == 0xFF:
        return int.from_bytes(raw, "big", signed=True)
    digits = raw.strip(b" \0")
    return _octal(digits) if digits else 0


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _header(data: bytes, offset: int, refuse: Callable[[str, str], LabwrightError]) -> Member:
    kind = data[156:157]
    kind = FILE if kind in (b"\0", b"7") else kind
    name = _text(data[:100])
    # GNU tar keeps times where others keep the beginning of the name.
    if data[257:263] == b"ustar\0" and (prefix := _text(data[345:500])):
        name = f"{prefix}/{name}"
    mode, owner, group, size, time = (
        _number(data[start:end]) for start, end in ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148))
    )
    if not 0 <= size < LARGEST_MEMBER or min(mode, owner, group) < 0:
        raise refuse(f"the header of {name!r} in the archive is damaged", DAMAGED)
    if kind in (HARD_LINK, LINK, CHARACTER, DEVICE, FOLDER, PIPE):
        size = 0
    return Member(name, kind, size, _text(data[157:257]), mode & 0o7777, owner, group, time, offset)


def _extension(member: Member, data: bytes, refuse: Callable[[str, str], LabwrightError]) -> dict[str, str]:
    if len(data) != member.size:
        raise refuse("the archive ends before its end", DAMAGED)
    if member.kind == GLOBAL:
        # Git writes a comment so. Anything else would be about all members that follow.
        if _records(data, refuse).keys() - {"comment"}:
            raise refuse("a header for all of the archive changes what is in it", "pack it again with GNU tar")
        return {}
    if member.kind == EXTENDED:
        return _records(data, refuse)
    return {"path" if member.kind == LONG_NAME else "linkpath": _text(data)}


def _records(data: bytes, refuse: Callable[[str, str], LabwrightError]) -> dict[str, str]:
    """The records of an extended header: "LENGTH KEY=VALUE\\n", the length counting itself (POSIX pax)."""
    records = {}
    position = 0
    while position < len(data) and data[position]:
        digits, blank, _ = data[position : position + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = data[position : position + length]
        key, sign, value = record[len(digits) + 1 : -1].partition(b"=")
        if not blank or not sign or len(record) != length or not record.endswith(b"\n") or not key:
            raise refuse("an extended header in the archive is damaged", DAMAGED)
        records[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        position += length
    return records


def _complete(member: Member, said: dict[str, str], refuse: Callable[[str, str], LabwrightError]) -> Member:
    name, target = said.get("path", member.name), said.get("linkpath", member.target)
    if member.kind == b"S" or any(key.startswith(("GNU.sparse", "SCHILY.realsize")) for key in said):
        raise refuse(f"its member {name!r} is sparse", "pack it again without --sparse")
    if "size" in said:
        if not said["size"].isascii() or not said["size"].isdigit() or len(said["size"]) > 16:
            raise refuse(f"the header of {name!r} in the archive is damaged", DAMAGED)
        member = replace(member, size=int(said["size"]) if member.kind == FILE else 0)
    if "\0" in name + target:
        raise refuse(f"the name of its member {name!r} is damaged", DAMAGED)
    others = {key: value for key, value in said.items() if key not in ("path", "linkpath", "size")}
    return replace(member, name=name, target=target, extended=others)
