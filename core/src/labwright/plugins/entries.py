"""The entry points of ours that installed packages offer. A package whose metadata is damaged hides no other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions

GROUPS = "labwright."
GROUP = re.compile(r"^\s*\[(labwright\.[a-z]+)\]", re.MULTILINE)
UNNAMED = "unknown"


@dataclass(frozen=True)
class Entry:
    """An entry point and the package that offers it."""

    point: EntryPoint
    package: str
    version: str

    @property
    def name(self) -> str:
        """What stands before the equals sign: the image type."""
        return self.point.name


@dataclass(frozen=True)
class Damaged:
    """A package that offers something in a group of ours, as far as its metadata can be read."""

    group: str
    package: str
    reason: str


@dataclass(frozen=True)
class Installed:
    """What all installed packages offer."""

    entries: tuple[Entry, ...]
    damaged: tuple[Damaged, ...]

    def group(self, name: str) -> list[Entry]:
        """The entries of one group, each package's own only once however often it says them."""
        return list(dict.fromkeys(entry for entry in self.entries if entry.point.group == name))

    def packages(self, name: str) -> set[str]:
        """The packages that offer something of this name, in any group."""
        return {entry.package for entry in self.entries if entry.name == name}


def installed() -> Installed:
    """Read the metadata of every installed package. Of two versions of one, the first on the path counts.

    importlib.metadata.entry_points() would end at the first package that it cannot read.
    """
    seen: set[str] = set()
    entries: list[Entry] = []
    damaged: list[Damaged] = []
    for distribution in distributions():
        stem, _ = _folder_name(distribution)
        if stem and canonical(stem) in seen:
            continue
        seen.add(canonical(stem))
        text, reason = _entry_points_of(distribution)
        if GROUPS not in text:
            continue
        name, version = _identity(distribution)
        try:
            points = [point for point in distribution.entry_points if point.group.startswith(GROUPS)]
        except Exception as error:
            reason = reason or f"{type(error).__name__}: {error}"
            damaged += [Damaged(group, name, reason) for group in dict.fromkeys(GROUP.findall(text))]
            continue
        entries += [Entry(point, name, version) for point in points]
    return Installed(tuple(entries), tuple(damaged))


def canonical(package: str) -> str:
    """A package's name as installers compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _entry_points_of(distribution: Distribution) -> tuple[str, str]:
    """The text of entry_points.txt as far as there is one, and what is wrong with it."""
    try:
        return distribution.read_text("entry_points.txt") or "", ""
    except UnicodeDecodeError as error:
        # What can be read of it says whether it is one of ours.
        return error.object.decode("utf-8", "replace"), f"it is no text: {error.reason}"
    except Exception:
        return "", ""


def _folder_name(distribution: Distribution) -> tuple[str, str]:
    """Name and version as the folder of the metadata is called, which costs no reading; empty where it has none."""
    folder = str(getattr(distribution, "_path", "")).rpartition("/")[2]
    stem, _, version = folder.removesuffix(".dist-info").removesuffix(".egg-info").partition("-")
    return stem, version


def _identity(distribution: Distribution) -> tuple[str, str]:
    """Name and version, by the folder's name where the metadata does not say them."""
    stem, version = _folder_name(distribution)
    try:
        metadata = distribution.metadata
        return metadata["Name"] or stem or UNNAMED, metadata["Version"] or version
    except Exception:
        return stem or UNNAMED, version
