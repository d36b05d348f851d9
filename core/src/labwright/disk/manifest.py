"""A list of everything in a tree: type, mode, owner, size, hash. Two builds are compared by it without their disks."""

from __future__ import annotations

import base64
import hashlib
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILES = "files.mtree"
BLOCK = 1024 * 1024
KINDS = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "link", tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "char",
         tarfile.BLKTYPE: "block"}  # fmt: skip
XATTR = "SCHILY.xattr."
"""How tar writes extended attributes into its pax headers."""


@dataclass(frozen=True)
class Described:
    """One file. kind: file, dir, link, fifo, char or block. time: seconds since 1970. attributes: base64 by name."""

    kind: str
    mode: str
    owner: str
    time: int
    size: int = 0
    target: str = ""
    sha256: str = ""
    attributes: str = ""


def describe(archive: Path) -> str:
    """The list of a tar archive that we packed ourselves, in mtree(5)'s format with one keyword more, xattr."""
    seen: dict[str, Described] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.islnk():
                # A further name of a file that came before.
                seen[member.name] = seen[member.linkname]
                continue
            seen[member.name] = _described(tar, member)
    lines = [f"{_quote(name)} {_words(seen[name])}" for name in sorted(seen)]
    return "\n".join(["#mtree", *lines, ""])


def _described(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Described:
    attributes = (
        f"{name.removeprefix(XATTR)}:{base64.b64encode(value.encode('utf-8', 'surrogateescape')).decode()}"
        for name, value in sorted(member.pax_headers.items())
        if name.startswith(XATTR)
    )
    return Described(
        kind=KINDS.get(member.type, "file"),
        mode=f"{member.mode & 0o7777:04o}",
        owner=f"{member.uid}:{member.gid}",
        time=int(member.mtime),
        size=member.size if member.isreg() else 0,
        target=member.linkname if member.issym() else "",
        sha256=_digest(tar, member) if member.isreg() else "",
        attributes=",".join(attributes),
    )


def _digest(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    joined = hashlib.sha256()
    stream = tar.extractfile(member)
    assert stream is not None, "a regular file has content"
    while block := stream.read(BLOCK):
        joined.update(block)
    return joined.hexdigest()


def _words(one: Described) -> str:
    uid, gid = one.owner.split(":")
    words = [f"type={one.kind}", f"mode={one.mode}", f"uid={uid}", f"gid={gid}", f"time={one.time}.0"]
    if one.kind == "file":
        words += [f"size={one.size}", f"sha256digest={one.sha256}"]
    if one.target:
        words.append(f"link={_quote(one.target)}")
    if one.attributes:
        words.append(f"xattr={one.attributes}")
    return " ".join(words)


def parse(text: str) -> dict[str, Described]:
    """What `describe` wrote. Raises ValueError for anything else."""
    lines = text.splitlines()
    if not lines or lines[0] != "#mtree":
        raise ValueError("not an mtree list")
    return dict(_parse_line(line) for line in lines[1:] if line)


def _parse_line(line: str) -> tuple[str, Described]:
    name, *words = line.split(" ")
    facts = dict(word.split("=", 1) for word in words)
    try:
        return _unquote(name), Described(
            kind=facts["type"],
            mode=facts["mode"],
            owner=f"{facts['uid']}:{facts['gid']}",
            time=int(facts["time"].partition(".")[0]),
            size=int(facts.get("size", "0")),
            target=_unquote(facts.get("link", "")),
            sha256=facts.get("sha256digest", ""),
            attributes=facts.get("xattr", ""),
        )
    except KeyError as error:
        raise ValueError(f"a line without {error}") from error


def _quote(name: str) -> str:
    """Octal for what would end a word (vis(3), VIS_OCTAL)."""
    return "".join(_octal(name))


def _octal(name: str) -> Iterator[str]:
    for byte in name.encode("utf-8", "surrogateescape"):
        plain = 0x21 <= byte <= 0x7E and byte not in b"\\#="
        yield chr(byte) if plain else f"\\{byte:03o}"


def _unquote(name: str) -> str:
    data = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), name.encode())
    return data.decode("utf-8", "surrogateescape")
