"""The folders that describe an image, as one archive in memory: how they reach a worker."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from labwright.errors import Cause, LabwrightError, os_error
from labwright.pipeline.base import base_of
from labwright.pipeline.stage2 import LEFT_OUT
from labwright.spec.load import image_folder, load_image

LARGEST = 16 << 20
"""Bytes. An image's folder holds texts; disks and packages come from elsewhere."""
MOST_FILES = 10_000


@dataclass(frozen=True)
class Parcel:
    """folder: of the image, a path in the archive. bases: slugs of the images that it starts from, the nearest first.

    archive: a tar of that folder and of those of its bases, side by side as they were.
    """

    folder: str
    bases: tuple[str, ...]
    archive: bytes = field(repr=False)


def pack(folder: Path) -> Parcel:
    """An image's folder and those that build.from leads to. Private files are named in there and are not sent.

    Raises LabwrightError (config) for a link that leads out of the folders, for what is no file, and for too much.
    """
    place = image_folder(folder)
    folders, bases = [place], []
    found = base_of(load_image(place))
    while found is not None:
        spec, base = found
        bases.append(spec.slug)
        folders.append(image_folder(base))
        found = base_of(spec)
    root = Path(os.path.commonpath([one.parent for one in folders]))
    stream = io.BytesIO()
    try:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for one in dict.fromkeys(folders):
                for path in _below(one):
                    _add(archive, path, path.relative_to(root).as_posix(), folders)
                    if stream.tell() > LARGEST or len(archive.getmembers()) > MOST_FILES:
                        raise _refused(one, f"it has more than {LARGEST >> 20} MiB or {MOST_FILES} files",
                                       "keep large files out of it, and have a script fetch them")  # fmt: skip
    except OSError as error:
        raise os_error(error, f"{place} cannot be read") from error
    return Parcel(place.relative_to(root).as_posix(), tuple(bases), stream.getvalue())


def unpack(parcel: Parcel, folder: Path) -> Path:
    """Put the files into an empty folder; returns the image's. Links come last, so that nothing is written by way of
    one. Raises LabwrightError (config) for a hostile archive."""
    links = []
    try:
        with tarfile.open(fileobj=io.BytesIO(parcel.archive)) as archive:
            for count, member in enumerate(archive):
                name = _safe(member.name, folder)
                if count > MOST_FILES or not (member.isfile() or member.issym() or member.isdir()):
                    raise _refused(folder, f"{name} is no file, link or folder", "pack it again")
                place = folder / name
                place.parent.mkdir(parents=True, exist_ok=True)
                if member.isdir():
                    place.mkdir(exist_ok=True)
                elif member.issym():
                    links.append((place, member.linkname))
                else:
                    content = archive.extractfile(member)
                    assert content is not None, "a regular file has content"
                    place.write_bytes(content.read(LARGEST))
                    # Unchanged but for setuid: pipeline.stage2.folder_digest has the mode in what a step is known by.
                    place.chmod(member.mode & 0o777)
                    os.utime(place, (member.mtime, member.mtime))
    except tarfile.TarError as error:
        raise _refused(folder, "the archive is damaged", "pack it again") from error
    for place, target in links:
        _check_link(place, target, [folder])
        place.symlink_to(target)
    return folder / _safe(parcel.folder, folder)


def _below(folder: Path) -> Iterator[Path]:
    for place, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if name not in LEFT_OUT)
        yield from (Path(place, name) for name in sorted([*names, *files]))


def _add(archive: tarfile.TarFile, path: Path, name: str, folders: list[Path]) -> None:
    facts = path.lstat()
    member = tarfile.TarInfo(name)
    member.mode, member.mtime = stat.S_IMODE(facts.st_mode), int(facts.st_mtime)
    if stat.S_ISLNK(facts.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
        _check_link(path, member.linkname, folders)
        archive.addfile(member)
    elif stat.S_ISDIR(facts.st_mode):
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    elif stat.S_ISREG(facts.st_mode):
        if facts.st_size > LARGEST:
            raise _refused(path, f"it has more than {LARGEST >> 20} MiB", "keep it out of the image's folder")
        data = path.read_bytes()
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    else:
        raise _refused(path, "it is no file, link or folder", "take it out of the image's folder")


def _check_link(path: Path, target: str, folders: list[Path]) -> None:
    """Raise LabwrightError (config) for a link that would lead elsewhere on another machine."""
    where = Path(os.path.normpath(path.parent / target))
    if target.startswith("/") or not any(where.is_relative_to(one) for one in folders):
        raise _refused(path, f"the link leads to {target}, out of the image's folder", "put a copy in its place")


def _safe(name: str, folder: Path) -> PurePosixPath:
    found = PurePosixPath(name)
    if not found.parts or found.is_absolute() or ".." in found.parts or "\0" in name:
        raise _refused(folder, f"{name!r} is no path below a folder", "pack it again")
    return found


def _refused(path: Path, why: str, hint: str) -> LabwrightError:
    return LabwrightError(f"{path} cannot be sent to a worker: {why}", cause=Cause.CONFIG, hint=hint)
