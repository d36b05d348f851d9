"""Files for places that belong to root: sent as one archive, put there all or none, with owner and mode."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from labwright.errors import Cause
from labwright.kit import local
from labwright.kit.errors import KitError

if TYPE_CHECKING:
    from labwright.kit.host import Host

PLACE = re.compile(r"(/[^/\x00-\x1f\x7f]+)+")
OWNER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}|[0-9]{1,10}")
MODE = re.compile(r"0?[0-7]{3}|[0-7]{4}")
MOST_AT_ONCE = 500
LONGEST = 60_000
"""Files in one go, and bytes of their places: arguments of one command, of which Linux takes 128 KiB, quoted twice."""


@dataclass(frozen=True)
class File:
    """A file for a machine. place: absolute. owner: USER or USER:GROUP. mode: octal. folders: make missing ones."""

    place: str
    content: bytes = field(repr=False)
    owner: str = "root:root"
    mode: str = "0644"
    folders: bool = False

    def __post_init__(self) -> None:
        if not PLACE.fullmatch(self.place) or {".", ".."} & set(self.place.split("/")):
            raise KitError(
                f"{self.place!r} is not the absolute path of a file", cause=Cause.CONFIG, hint="without . and .."
            )
        if not all(OWNER.fullmatch(part) for part in (self.user, self.group)) or self.owner.count(":") > 1:
            raise KitError(f"{self.owner!r} is not an owner", cause=Cause.CONFIG, hint="write USER or USER:GROUP")
        if not MODE.fullmatch(self.mode):
            raise KitError(
                f"{self.mode!r} is not a mode", cause=Cause.CONFIG, hint="write octal digits in quotes: '0640'"
            )

    @property
    def user(self) -> str:
        """Its owner."""
        return self.owner.partition(":")[0]

    @property
    def group(self) -> str:
        """Its group, by default called as its owner."""
        return self.owner.partition(":")[2] or self.user


def chosen(
    sources: Mapping[str, str] | Iterable[File], owner: str, mode: str, folders: Sequence[Path]
) -> tuple[File, ...]:
    """The files that names and patterns of the lesson mean, with their places. Raises KitError."""
    if not isinstance(sources, Mapping):
        return tuple(sources)
    found = []
    for name, place in sources.items():
        paths = local.find_all(name, folders)
        if len(paths) > 1 and not place.endswith("/"):
            raise KitError(
                f"{name} fits {len(paths)} files, and {place} is one place",
                cause=Cause.CONFIG,
                hint="a place that ends with / is a folder",
            )
        found += [
            File(f"{place}{path.name}" if place.endswith("/") else place, local.read(path), owner, mode)
            for path in paths
        ]
    return tuple(found)


def tree(folder: Path, place: str, owner: str, mode: str | None) -> tuple[File, ...]:
    """All files below a folder, for the same names below a place. Raises KitError."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            chosen_mode = mode or ("0755" if path.stat().st_mode & 0o100 else "0644")
            where = str(PurePosixPath(place) / path.relative_to(folder).as_posix())
            found.append(File(where, local.read(path), owner, chosen_mode, folders=True))
    if not found:
        raise KitError(f"there is no file in {folder}", cause=Cause.CONFIG)
    return tuple(found)


def put(host: Host, files: Sequence[File], timeout: float) -> tuple[str, ...]:
    """Put files in their places, all of them or none; the places that have changed. Raises KitError."""
    places = [file.place for file in files]
    if twice := {place for place in places if places.count(place) > 1}:
        raise KitError(f"two files are for {min(twice)}", cause=Cause.CONFIG)
    if not files:
        raise KitError("there is nothing to put", cause=Cause.CONFIG)
    if len(files) > MOST_AT_ONCE:
        raise KitError(f"{len(files)} files are more than {MOST_AT_ONCE} at once", cause=Cause.CONFIG)
    words = [word for file in files for word in (file.place, file.user, file.group, file.mode)]
    if sum(len(word.encode(errors="replace")) + 1 for word in words) > LONGEST:
        raise KitError(f"the places of {len(files)} files are too long for one go", cause=Cause.CONFIG)
    make = "make" if any(file.folders for file in files) else "keep"
    answer = host.root_script("put", make, *words, stdin=_archive(files), timeout=timeout)
    return tuple(files[int(number)].place for number in answer.output.split())


def _archive(files: Sequence[File]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for number, file in enumerate(files):
            entry = tarfile.TarInfo(str(number))
            entry.size = len(file.content)
            entry.mode = 0o600
            archive.addfile(entry, io.BytesIO(file.content))
    return stream.getvalue()
