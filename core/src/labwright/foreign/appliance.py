"""ova: a tar archive with a description (OVF), digests and disks (DMTF DSP0243)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from labwright.foreign import tar, unwrap
from labwright.foreign.model import Limits
from labwright.foreign.reader import DAMAGED, Reader

LARGEST_TEXT = 1 << 20
"""Bytes of a description or a list of digests."""
MOST_MEMBERS = 256
PLAIN = re.compile(r"\w[\w .()+@,=\[\]-]{0,250}")
DIGEST = re.compile(r"(SHA1|SHA256|SHA512) ?\(([^()]*(?:\([^()]*\)[^()]*)*)\) ?= ?([0-9a-fA-F]{40,128})")
FORBIDDEN = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
EXPORT_AGAIN = "export the machine again"


@dataclass(frozen=True)
class Appliance:
    """What an archive holds. disk: the member that is the one disk. digests: algorithm and digest by member."""

    members: dict[str, tar.Member]
    disk: str
    digests: dict[str, tuple[str, str]]
    description: str

    @property
    def member(self) -> tar.Member | None:
        """The disk's member, if the archive was read that far."""
        return self.members.get(self.disk)


def read(reader: Reader) -> Appliance:
    """Read an archive. Of the beginning of one, only what is there. Raises LabwrightError (config)."""
    members = _members(reader)
    descriptions = [name for name in members if name.lower().endswith(".ovf")]
    if len(descriptions) != 1:
        raise reader.refuse(f"it has {len(descriptions)} descriptions (.ovf) where an appliance has one", EXPORT_AGAIN)
    name = descriptions[0]
    disks = disks_of(reader, _text(reader, members[name]))
    if len(disks) != 1:
        names = f": {', '.join(disks[:8])}" if disks else ""
        raise reader.refuse(f"it has {len(disks)} disks{names}; one is needed", "unpack it (tar -xf) and name one disk")
    if disks[0] not in members and reader.whole:
        raise reader.refuse(f"its disk {disks[0]!r} is not in it", EXPORT_AGAIN)
    manifest = f"{name[:-4]}.mf"
    digests = _digests(reader, _text(reader, members[manifest])) if manifest in members else {}
    if reader.whole and digests and (missing := {name, disks[0]} - digests.keys()):
        raise reader.refuse(f"its list of digests lacks {min(missing)!r}", EXPORT_AGAIN)
    return Appliance(members, disks[0], digests, name)


def _members(reader: Reader) -> dict[str, tar.Member]:
    members: dict[str, tar.Member] = {}
    for member in tar.members(reader.stream, reader.refuse):
        if not reader.whole and member.offset + member.size > reader.size:
            break
        name = member.name.removeprefix("./").rstrip("/")
        if member.kind == tar.FOLDER and name in ("", "."):
            continue
        if member.kind != tar.FILE or not PLAIN.fullmatch(name) or ".." in name:
            raise reader.refuse(f"its member {member.name!r} is no file with a plain name", EXPORT_AGAIN)
        if name in members:
            raise reader.refuse(f"it has the member {name!r} twice", EXPORT_AGAIN)
        if len(members) >= MOST_MEMBERS:
            raise reader.refuse(f"it has more than {MOST_MEMBERS} members", EXPORT_AGAIN)
        if reader.whole:
            reader.need(member.offset, member.size, f"member {name!r}")
        members[name] = member
    return members


def _text(reader: Reader, member: tar.Member) -> str:
    if member.size > LARGEST_TEXT:
        raise reader.refuse(f"its {member.name!r} is too large for a text", EXPORT_AGAIN)
    try:
        return reader.at(member.offset, member.size, f"member {member.name!r}").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise reader.refuse(f"its {member.name!r} is no text in UTF-8", EXPORT_AGAIN) from error


def disks_of(reader: Reader, text: str) -> list[str]:
    """The names of the disk files in a description. Raises LabwrightError (config) for entities and other surprises."""
    if FORBIDDEN.search(text) or "\0" in text:
        raise reader.refuse("its description defines entities, which can fill the memory or name other files",
                            EXPORT_AGAIN)  # fmt: skip
    files: dict[str, dict[str, str]] = {}
    disks: list[dict[str, str]] = []

    def start(name: str, raw: dict[str, str]) -> None:
        facts = {key.rpartition(" ")[2]: value for key, value in raw.items()}
        local = name.rpartition(" ")[2]
        if local == "File":
            if facts.get("id", "") in files:
                raise reader.refuse(f"its description has the file {facts.get('id', '')!r} twice", EXPORT_AGAIN)
            files[facts.get("id", "")] = facts
        elif local == "Disk":
            disks.append(facts)

    parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
    parser.StartElementHandler = start
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise reader.refuse(f"its description is no sound XML ({error})", EXPORT_AGAIN) from error
    return [_file_of(reader, disk, files) for disk in disks if "fileRef" in disk]


def _file_of(reader: Reader, disk: dict[str, str], files: dict[str, dict[str, str]]) -> str:
    if "parentRef" in disk:
        raise reader.refuse("its disk holds only the differences to another disk", EXPORT_AGAIN)
    file = files.get(disk["fileRef"], {})
    name = file.get("href", "")
    if not PLAIN.fullmatch(name) or ".." in name:
        raise reader.refuse(f"its disk is at {name!r}, which is no plain name of a file in it", EXPORT_AGAIN)
    if "chunkSize" in file or file.get("compression", "identity") not in ("identity", "gzip", ""):
        raise reader.refuse(f"its disk {name!r} is in chunks or packed in a way that is not known", EXPORT_AGAIN)
    return name


def _digests(reader: Reader, text: str) -> dict[str, tuple[str, str]]:
    digests: dict[str, tuple[str, str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        found = DIGEST.fullmatch(line)
        if found is None or found[2].strip() in digests:
            raise reader.refuse(f"a line of its digests is not understood: {line[:60]!r}", EXPORT_AGAIN)
        digests[found[2].strip()] = (found[1].lower(), found[3].lower())
    return digests


def unpack(reader: Reader, appliance: Appliance, destination: Path, limits: Limits) -> None:
    """Write the disk to `destination`, and check all digests. Raises LabwrightError (config)."""
    for name, (algorithm, digest) in appliance.digests.items():
        if name not in appliance.members:
            raise reader.refuse(f"it lacks {name!r}, which its digests name", EXPORT_AGAIN)
        if name != appliance.disk:
            _consume(_hashed(reader, appliance.members[name], name, algorithm, digest))
    member = appliance.members[appliance.disk]
    algorithm, digest = appliance.digests.get(appliance.disk, ("", ""))
    pieces = _hashed(reader, member, appliance.disk, algorithm, digest)
    unwrap.write(pieces, destination, unwrap.allowed(reader.size, limits), reader)


def _consume(pieces: Iterator[bytes]) -> None:
    for _ in pieces:
        pass


def _hashed(reader: Reader, member: tar.Member, name: str, algorithm: str, digest: str) -> Iterator[bytes]:
    """The content of a member. Raises LabwrightError (config) at its end when its digest is another."""
    state = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None
    done = 0
    while done < member.size:
        piece = reader.at(member.offset + done, min(unwrap.CHUNK, member.size - done), f"member {name!r}")
        done += len(piece)
        if state:
            state.update(piece)
        yield piece
    if state and state.hexdigest() != digest:
        raise reader.refuse(f"the digest of its {name!r} is not the one in its list", DAMAGED)
