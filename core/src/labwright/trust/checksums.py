"""SHA256SUMS of a delivered folder, as sha256sum(1) reads it, and its signature beside it, as openssl checks it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from labwright.errors import Cause, LabwrightError, os_error
from labwright.host.files import beside, file_digest, sync, write_whole
from labwright.trust.keys import PublicKey, SigningKey

SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
LINE = re.compile(r"([0-9a-f]{64}) [ *]([^\x00-\x1f\x7f\\]+)")
LARGEST = 4 * 1024 * 1024
LARGEST_SIGNATURE = 1024


def checksums(folder: Path) -> str:
    """The text of SHA256SUMS: every file of a folder and of those in it, by name; hidden ones are not part of it.

    Raises LabwrightError (config) for a link or a name that cannot stand in a line, and (host) for what is unreadable.
    """
    try:
        lines = [f"{file_digest(folder / name)}  {name}\n" for name in _names(folder)]
    except OSError as error:
        raise os_error(error, f"{folder} cannot be read") from error
    return "".join(lines)


def write_checksums(folder: Path, key: SigningKey | None) -> None:
    """Put SHA256SUMS into a folder, and its signature (ASN.1) where there is a key. Raises LabwrightError."""
    text = checksums(folder)
    try:
        write_whole(folder / SUMS, text)
        if key is None:
            (folder / SIGNATURE).unlink(missing_ok=True)
            return
        partial = beside(folder / SIGNATURE)
        try:
            partial.write_bytes(key.sign(text.encode()))
            sync(partial)
            partial.replace(folder / SIGNATURE)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise os_error(error, f"{folder} cannot be written") from error


def is_signed(folder: Path, key: PublicKey) -> bool:
    """Whether there is a SHA256SUMS with a signature of this key. What it lists is not looked at."""
    try:
        return key.holds(_head(folder / SIGNATURE, LARGEST_SIGNATURE), _head(folder / SUMS, LARGEST))
    except (OSError, LabwrightError):
        return False


def check_checksums(folder: Path, key: PublicKey | None) -> tuple[str, ...]:
    """Why a folder is not what was signed; nothing where it is. key: None to look at the hashes alone.

    Nothing that is listed is followed out of the folder, and what is not listed is a finding as well.
    """
    try:
        text = _head(folder / SUMS, LARGEST)
        if key is not None and not key.holds(_head(folder / SIGNATURE, LARGEST_SIGNATURE), text):
            return (f"{SIGNATURE} is not of this key, or {SUMS} was altered",)
        listed = _listed(text)
        there = set(_names(folder))
        findings = [f"{name} is not there" for name in sorted(listed.keys() - there)]
        findings += [f"{name} is not listed" for name in sorted(there - listed.keys())]
        same = sorted(listed.keys() & there)
        findings += [f"{name} was altered" for name in same if file_digest(folder / name) != listed[name]]
    except OSError as error:
        return (f"{Path(str(error.filename)).name} cannot be read: {error.strerror}",)
    except LabwrightError as error:
        return (error.what,)
    return tuple(findings)


def _head(path: Path, largest: int) -> bytes:
    """A regular file, and nothing that a read would wait for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(largest + 1) or b""
    if len(data) > largest:
        raise _unfit(f"{path.name} is larger than any such file")
    return data


def _listed(text: bytes) -> dict[str, str]:
    try:
        *lines, rest = text.decode().split("\n")
    except UnicodeDecodeError:
        raise _unfit(f"{SUMS} is not text") from None
    if rest:
        raise _unfit(f"{SUMS} ends in the middle of a line")
    listed: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        found = LINE.fullmatch(line)
        if found is None or found[2] in listed or {"", ".", ".."} & set(found[2].split("/")):
            raise _unfit(f"{SUMS}: line {number} is not a hash and the name of a file in the folder")
        listed[found[2]] = found[1]
    return listed


def _names(folder: Path) -> list[str]:
    """The files, sorted. Links are refused: what they lead to may change, or be none of the folder's."""
    names = []
    for place, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in [*files, *(name for name in folders if Path(place, name).is_symlink())]:
            path = Path(place, name)
            label = path.relative_to(folder).as_posix()
            if name.startswith(".") or label in {SUMS, SIGNATURE}:
                continue
            if path.is_symlink() or not path.is_file():
                raise _unfit(f"{label} is not a file")
            if not LINE.fullmatch(f"{'0' * 64}  {label}"):
                raise _unfit("a name in the folder has a backslash or control characters")
            names.append(label)
    return sorted(names)


def _raise(error: OSError) -> None:
    raise error


def _unfit(what: str) -> LabwrightError:
    return LabwrightError(what, cause=Cause.CONFIG, hint="publish only what labwright build delivered")
