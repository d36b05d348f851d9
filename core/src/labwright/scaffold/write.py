"""Writes a package: from the files of its kind with the words filled in, whole or not at all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from labwright import __version__
from labwright.errors import Cause, LabwrightError, os_error
from labwright.host.files import beside
from labwright.interfaces import INTERFACE_VERSION
from labwright.scaffold.kinds import LABWRIGHT, Kind
from labwright.scaffold.names import check_name, class_of, module_of, title_of

HERE = Path(__file__).parent
SUFFIX = ".in"
"""Of every file here, so that neither Python nor its tools take them for code of ours."""
HIDDEN = "dot."
"""Stands for the dot: tools would obey a .gitignore that is among these files."""
PYTHON = ">=3.11"
RELEASE = re.compile(r"\d+")
WORD = re.compile(r"[a-z]+")
AFTER = {"post", "rev", "r"}
"""The words of versions that come after their release; all others come before it."""


def write_package(name: str, kind: Kind, into: Path) -> Path:
    """Write labwright-NAME/ into a folder that is there, and return it; nothing that is there is changed.

    Raises LabwrightError (config, host, disk full); there is then no such folder.
    """
    check_name(name)
    files = package_files(name, kind)
    place = into / f"labwright-{name}"
    try:
        _check_place(place)
        _write(files, place)
    except OSError as error:
        # Without the name of the file, which is in the hidden folder.
        said = os_error(OSError(error.errno, error.strerror), f"writing {place}")
        hint = "mend that, or write the package elsewhere: --into"
        raise LabwrightError(said.what, cause=said.cause, hint=hint) from error
    return place


def _check_place(place: Path) -> None:
    if not place.parent.is_dir():
        raise LabwrightError(
            f"there is no folder {place.parent}", cause=Cause.CONFIG, hint="make it, or name another: --into"
        )
    if place.exists() or place.is_symlink():
        raise LabwrightError(
            f"{place} is there already, and nothing is overwritten",
            cause=Cause.CONFIG,
            hint="remove or rename it, take another name, or write the package elsewhere: --into",
        )


def _write(files: Mapping[str, str], place: Path) -> None:
    partial = beside(place)
    try:
        for path, text in files.items():
            file = partial / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def package_files(name: str, kind: Kind) -> dict[str, str]:
    """The texts of a package by their paths. Raises LabwrightError (config) where what it builds on is not there."""
    words = words_of(name, kind)
    return {
        _path(source.relative_to(folder), words): _filled(source.read_text(encoding="utf-8"), words)
        for folder in (HERE / "common", HERE / kind.name)
        for source in sorted(folder.rglob(f"*{SUFFIX}"))
    }


def words_of(name: str, kind: Kind) -> dict[str, str]:
    """What stands for each word. Use and places have words of their own, so they come first."""
    ranges = [f"{package}{version_range(_version(package))}" for package in kind.needs]
    dependencies = [f'    "{requirement}",' for requirement in (*ranges, *kind.libraries)]
    return {
        "@USE@": kind.use,
        "@PLACES@": kind.places,
        "@LIMITS@": kind.limits,
        "@WORK@": kind.work,
        "@GROUP@": kind.group.rpartition(".")[2],
        "@DEPENDENCIES@": "\n".join(dependencies),
        "@DRIVER@": class_of(name) + kind.suffix,
        "@INTERFACE@": str(INTERFACE_VERSION),
        "@PYTHON@": PYTHON,
        "@MODULE@": module_of(name),
        "@FILE@": name.replace("-", "_"),
        "@TITLE@": title_of(name),
        "@NAME@": name,
    }


def version_range(version: str) -> str:
    """The versions that have the interfaces of this one: the next minor one before 1.0, the next major one after.

    One that comes before its own release is itself the lowest: without naming it no range has it (PEP 440).
    """
    public = version.partition("+")[0]
    major, minor = (int(part) for part in RELEASE.findall(public)[:2])
    lowest = public if set(WORD.findall(public)) - AFTER else f"{major}.{minor}"
    return f">={lowest},<{major}.{minor + 1}" if major == 0 else f">={lowest},<{major + 1}"


def _version(package: str) -> str:
    if package == LABWRIGHT:
        return __version__
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError as error:
        raise LabwrightError(
            f"a package of this kind builds on {package}, which is not installed",
            cause=Cause.CONFIG,
            hint=f"pip install {package}",
        ) from error


def _path(source: Path, words: Mapping[str, str]) -> str:
    parts = [f".{part.removeprefix(HIDDEN)}" if part.startswith(HIDDEN) else part for part in source.parts]
    return _filled("/".join(parts), words).removesuffix(SUFFIX)


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return text
