"""A root file system in a tar archive: written anew after every member was checked."""

from __future__ import annotations

import itertools
import re
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from labwright.errors import LabwrightError, os_error
from labwright.foreign import tar, unwrap
from labwright.foreign.formats import agreed, inner_name
from labwright.foreign.model import Limits
from labwright.foreign.reader import Reader, opened
from labwright.host.files import beside, sync
from labwright.interfaces import Workbench

MOST_MEMBERS = 1_000_000
LONGEST_PATH, LONGEST_NAME = 4095, 255
ROOT_NAMES = frozenset({"bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root",
                        "run", "sbin", "srv", "sys", "tmp", "usr", "var"})  # fmt: skip
RELEASES = ("etc/os-release", "usr/lib/os-release")
ENOUGH = 4
"""Names of ROOT_NAMES that make an archive look like a root file system before all of it was read."""
KEPT = ("SCHILY.xattr.security.capability",)
"""Extended attributes that belong to files; labels and access lists are those of the machine that packed them."""
NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,12})?", re.ASCII)
PACK_AGAIN = "pack the root file system again: tar --numeric-owner --exclude=./dev/* --exclude=./run/* -cf ROOT.tar ."


@dataclass
class Tree:
    """What the members so far make. kinds: of every path that is there, folders that no member made among them."""

    reader: Reader
    most: int
    kinds: dict[str, bytes] = field(default_factory=dict)
    members: int = 0
    bytes: int = 0

    def needless(self, member: tar.Member) -> bool:
        """Whether it is one of the character devices that trees are packed with and every machine makes itself."""
        return member.kind == tar.CHARACTER and re.fullmatch(r"(\./)?dev/[a-z0-9]+", member.name) is not None

    def add(self, member: tar.Member) -> str:
        """Check a member and take it in. Returns its plain path, "" for the root. Raises LabwrightError (config)."""
        path = self._plain(member.name)
        self.members += 1
        self.bytes += member.size
        if self.members > MOST_MEMBERS:
            raise self.reader.refuse(f"it has more than {MOST_MEMBERS} members", PACK_AGAIN)
        if self.bytes > self.most:
            raise unwrap.too_much(self.reader, self.most)
        if member.kind in tar.IN_WORDS:
            raise self.reader.refuse(f"its member {member.name!r} is {tar.IN_WORDS[member.kind]}", PACK_AGAIN)
        if member.kind not in (tar.FILE, tar.HARD_LINK, tar.LINK, tar.FOLDER):
            raise self.reader.refuse(f"its member {member.name!r} is of a kind that is not known", PACK_AGAIN)
        if not path:
            if member.kind != tar.FOLDER:
                raise self.reader.refuse("its root is no folder", PACK_AGAIN)
            return path
        self._check_place(path, member)
        if member.kind == tar.HARD_LINK and self.kinds.get(self._plain(member.target)) != tar.FILE:
            raise self.reader.refuse(
                f"its member {member.name!r} is a link to {member.target!r}, no file that came before", PACK_AGAIN
            )
        self.kinds[path] = tar.FILE if member.kind == tar.HARD_LINK else member.kind
        return path

    def _plain(self, name: str) -> str:
        parts = name.split("/")
        if name.startswith("/") or ".." in parts:
            raise self.reader.refuse(f"its member {name!r} leads out of the archive", PACK_AGAIN)
        kept = [part for part in parts if part not in ("", ".")]
        if len(name) > LONGEST_PATH or any(len(part.encode(errors="surrogateescape")) > LONGEST_NAME for part in kept):
            raise self.reader.refuse(f"the name of its member {name[:60]!r}... is too long", PACK_AGAIN)
        return "/".join(kept)

    def _check_place(self, path: str, member: tar.Member) -> None:
        parent = path.rpartition("/")[0]
        while parent and self.kinds.get(parent) != tar.FOLDER:
            if self.kinds.get(parent, tar.FOLDER) != tar.FOLDER:
                raise self.reader.refuse(
                    f"its member {member.name!r} is under {parent!r}, which is a link or a file", PACK_AGAIN
                )
            self.kinds[parent] = tar.FOLDER
            parent = parent.rpartition("/")[0]
        before = self.kinds.get(path)
        if before is not None and not before == member.kind == tar.FOLDER:
            raise self.reader.refuse(f"it has the member {member.name!r} twice", PACK_AGAIN)

    @property
    def complete(self) -> bool:
        """Whether this is a root file system."""
        names = {path.partition("/")[0] for path in self.kinds}
        return any(path in self.kinds for path in RELEASES) or (
            "usr" in names and bool(names & {"bin", "etc", "sbin", "lib"})
        )


def check_looks(reader: Reader) -> None:
    """Raise LabwrightError (config) unless the archive, or its beginning, looks like a root file system."""
    names: set[str] = set()
    others: list[str] = []
    try:
        for member in itertools.islice(tar.members(reader.stream, reader.refuse), MOST_MEMBERS):
            path = member.name.removeprefix("./").strip("/")
            top = path.partition("/")[0]
            if path.lower().endswith(".ovf"):
                raise reader.refuse("it is an appliance (OVA) by its content and a tar archive by its name",
                                    "rename it, so that it ends in .ova")  # fmt: skip
            names |= {top} & ROOT_NAMES
            others += [path] if path and len(others) < 4 else []
            if path in RELEASES or len(names) >= ENOUGH or ("usr" in names and len(names) > 1):
                return
            if not reader.whole and member.offset + member.size + tar.BLOCK > reader.size:
                break
    except LabwrightError:
        # The beginning of an archive may end anywhere.
        if reader.whole or not names:
            raise
    if names and not reader.whole:
        return
    held = f"; it holds {', '.join(others)}" if others else ""
    raise reader.refuse(f"it is a tar archive with neither a root file system nor an appliance{held}",
                        "if there is a disk in it, unpack it and name that")  # fmt: skip


def checked_tree(source: Path, destination: Path, bench: Workbench, limits: Limits = Limits()) -> None:  # noqa: B008
    """Write a root file system to `destination` as a plain tar archive, after checking every member.

    No name leads out of it, nothing is under a link, links go to files that came before; there are no devices, of which
    those for characters in /dev are left out, and no sparse files. Raises LabwrightError (config, disk full); then
    `destination` is as it was.
    """
    with tempfile.TemporaryDirectory(dir=bench.scratch, prefix="foreign-") as folder, opened(source) as reader:
        content = agreed(reader, source.name)
        if content in unwrap.COMPRESSED:
            inside = Path(folder) / "tree.tar"
            unwrap.unpack(reader, content, inside, limits, bench.run)
            with opened(inside, reader.name) as plain:
                if agreed(plain, inner_name(source.name)) != "tar":
                    raise _no_tree(reader)
                _write(plain, destination, unwrap.allowed(reader.size, limits), bench)
        elif content == "tar":
            _write(reader, destination, unwrap.allowed(reader.size, limits), bench)
        else:
            raise _no_tree(reader)


def _no_tree(reader: Reader) -> LabwrightError:
    return reader.refuse("it is no root file system in a tar archive", "a disk is converted by labwright convert")


def _write(reader: Reader, destination: Path, most: int, bench: Workbench) -> None:
    partial = beside(destination)
    try:
        with bench.ledger.hold("file", partial):
            with partial.open("xb") as stream:
                tree = Tree(reader, most)
                for member in tar.members(reader.stream, reader.refuse):
                    if tree.needless(member):
                        continue
                    path = tree.add(member)
                    stream.write(header(member, path, reader))
                    _copy(reader, member, stream)
                stream.write(bytes(2 * tar.BLOCK))
            if not tree.complete:
                raise _no_tree(reader)
            sync(partial)
            partial.replace(destination)
    except OSError as error:
        raise os_error(error, f"{destination} cannot be written") from error


def header(member: tar.Member, path: str, reader: Reader) -> bytes:
    """The header of a member in one form (POSIX pax), whatever form it had. Raises LabwrightError (config)."""
    fresh = tarfile.TarInfo(f"./{path}" if path else ".")
    fresh.type, fresh.size, fresh.mode = member.kind, member.size, member.mode
    fresh.uid, fresh.gid, fresh.mtime = member.owner, member.group, member.time
    fresh.linkname = member.target
    if member.kind == tar.HARD_LINK:
        fresh.linkname = "./" + "/".join(part for part in member.target.split("/") if part not in ("", "."))
    fresh.pax_headers = {key: value for key, value in member.extended.items() if key in KEPT}
    for key in ("uid", "gid", "mtime"):
        if key in member.extended:
            if not NUMBER.fullmatch(member.extended[key]):
                raise reader.refuse(f"the header of {member.name!r} in the archive is damaged", PACK_AGAIN)
            fresh.pax_headers[key] = member.extended[key]
    return fresh.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _copy(reader: Reader, member: tar.Member, stream: BinaryIO) -> None:
    done = 0
    while done < member.size:
        piece = reader.at(member.offset + done, min(unwrap.CHUNK, member.size - done), f"member {member.name!r}")
        stream.write(piece)
        done += len(piece)
    stream.write(bytes(-member.size % tar.BLOCK))
