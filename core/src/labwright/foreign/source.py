"""From what a user names to a disk that QEMU may open: through archives and compression, each looked at on the way."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from labwright.errors import LabwrightError
from labwright.foreign import appliance, tree, unwrap, zipped
from labwright.foreign.formats import Disk, agreed, examine, inner_name
from labwright.foreign.model import Found, Limits, refusal
from labwright.foreign.reader import Reader, beginning, opened, stamp
from labwright.interfaces import Workbench

ANY = Limits(1 << 62, float("inf"))
"""For looking only: what a disk costs matters when it is converted."""


@dataclass(frozen=True)
class Ready:
    """A disk that may be converted. path: where it is, in the scratch folder if it was packed."""

    found: Found
    path: Path
    disk: Disk
    stamps: dict[Path, tuple[int, ...]]

    def check_unchanged(self) -> None:
        """Raise LabwrightError (config) when somebody has changed a file since it was looked at."""
        for path, before in self.stamps.items():
            if stamp(path) != before:
                raise refusal(self.found.path, "it changed while it was read", "wait until it is written to its end")


def identify(source: Path) -> Found:
    """What a file is, by its headers. Raises LabwrightError (config) for all that labwright does not take.

    Of what is packed only the beginning is looked at; the rest is when it is unpacked.
    """
    with opened(source) as reader:
        return _identify(reader, source, source.name, ())


def _identify(reader: Reader, source: Path, name: str, wrapped: tuple[str, ...]) -> Found:
    content = agreed(reader, name)
    _check_nesting(reader, content, wrapped)
    if content in unwrap.COMPRESSED:
        inside = beginning(reader.name, unwrap.head(reader, content))
        return _identify(inside, source, inner_name(name), (*wrapped, content))
    if content == "zip":
        member, data = zipped.head(reader)
        return _identify(beginning(f"{reader.name}: {member}", data), source, member, (*wrapped, content))
    if content == "ova":
        return _identify_appliance(reader, source, (*wrapped, content))
    if content == "tar":
        tree.check_looks(reader)
        return Found(source, "tree", "tar", wrapped, 0)
    disk = examine(reader, content, ANY)
    return Found(source, "disk", disk.format, wrapped, disk.virtual_size)


def _identify_appliance(reader: Reader, source: Path, wrapped: tuple[str, ...]) -> Found:
    parts = appliance.read(reader)
    label = f"{reader.name}: {parts.disk}"
    member = parts.member
    data = reader.at(member.offset, min(member.size, unwrap.HEAD), "disk") if member else b""
    if not data:
        # The disk comes after what was read of a packed appliance.
        return Found(source, "disk", "vmdk", wrapped, 0)
    inside = beginning(label, data)
    return _identify(inside, source, _name_in_appliance(inside, parts.disk), wrapped)


def _name_in_appliance(reader: Reader, name: str) -> str:
    """Some programs leave out the .gz, which only the description tells."""
    return f"{name}.gz" if name.endswith(".vmdk") and reader.head(2) == b"\x1f\x8b" else name


def _check_nesting(reader: Reader, content: str, wrapped: tuple[str, ...]) -> None:
    """One compression or zip, in it an appliance, in that a disk that is packed by gzip: that is all there can be."""
    packed = content in unwrap.COMPRESSED or content == "zip"
    in_appliance = "ova" in wrapped
    fine = {
        True: (not wrapped or (in_appliance and content == "gz" and wrapped[-1] == "ova")),
        False: not (in_appliance and content in ("ova", "tar")),
    }
    if not fine[packed]:
        raise reader.refuse("it is packed more often than needed", "unpack it once, and name what comes out")
    if content == "tar" and "zip" in wrapped:
        raise reader.refuse("it is a tar archive in a zip archive", "unpack it once, and name what comes out")


@contextlib.contextmanager
def prepared(source: Path, bench: Workbench, limits: Limits) -> Iterator[Ready]:
    """A disk, unpacked and looked at, while the body runs. Raises LabwrightError (config) for what is not taken."""
    with tempfile.TemporaryDirectory(dir=bench.scratch, prefix="foreign-") as folder:
        unpacking = _Unpacking(Path(folder), limits, bench)
        with opened(source) as reader:
            real = source.resolve()
            # By its real place: pieces are beside that, and QEMU looks for them there.
            here = replace(reader, path=real)
            before = reader.stamp()
            ready = unpacking.open(here, source, source.name, ())
        yield Ready(ready.found, ready.path, ready.disk, {**ready.stamps, real: before})


@dataclass(frozen=True)
class _Unpacking:
    """Unpacks step by step into a folder."""

    folder: Path
    limits: Limits
    bench: Workbench

    def open(self, reader: Reader, source: Path, name: str, wrapped: tuple[str, ...]) -> Ready:
        """A disk that may be converted, out of a file that is one or holds one."""
        content = agreed(reader, name)
        _check_nesting(reader, content, wrapped)
        assert reader.path is not None
        if content == "tar":
            tree.check_looks(reader)
            raise not_a_disk(reader)
        if content in (*unwrap.COMPRESSED, "zip", "ova"):
            inside, inner, label = self._unpack(reader, content, name)
            return self._next(inside, label, source, inner, (*wrapped, content))
        # Only a zip archive can hold the pieces of a disk too.
        alone = bool(wrapped) and wrapped[-1] != "zip"
        disk = examine(replace(reader, path=None) if alone else reader, content, self.limits)
        found = Found(source, "disk", disk.format, wrapped, disk.virtual_size)
        return Ready(found, reader.path, disk, disk.files)

    def _unpack(self, reader: Reader, content: str, name: str) -> tuple[Path, str, str]:
        """Unpack one level. Returns where it is, the name that tells its format, and one for messages."""
        self.bench.say(f"unpacking {reader.name}")
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        if content == "zip":
            path = zipped.unpack(reader, folder, self.limits)
            return path, path.name, f"{reader.name}: {path.name}"
        path = folder / "disk"
        if content == "ova":
            parts = appliance.read(reader)
            appliance.unpack(reader, parts, path, self.limits)
            return path, parts.disk, f"{reader.name}: {parts.disk}"
        unwrap.unpack(reader, content, path, self.limits, self.bench.run)
        return path, inner_name(name), reader.name

    def _next(self, path: Path, label: str, source: Path, name: str, wrapped: tuple[str, ...]) -> Ready:
        with opened(path, label) as reader:
            inner = _name_in_appliance(reader, name) if wrapped[-1] == "ova" else name
            return self.open(reader, source, inner, wrapped)


def not_a_disk(reader: Reader) -> LabwrightError:
    """The error for a root file system where a disk is needed."""
    return reader.refuse("it is a root file system, not a disk", "build.from in image.meta.yaml makes a machine of it")
