"""The content of the stand-in's packages, one folder for each: Debian's binaries and the files of this package."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .attributes import (
    DATABASE_FOLDER,
    EDITS,
    FOLDERS,
    GHOSTS,
    LINKS,
    MOVED,
    TREE,
    Entry,
    corrected,
)
from .debs import Deb, unpack, upstream
from .packages import DIFFERENT, DROPPED, FLAVOURS, KEYS, LAYERS, MADE, Layer, rpm_of

FILES = Path(__file__).with_name("files")


@dataclass
class Package:
    """One package to build: its content lies below place."""

    name: str
    version: str
    place: Path
    entries: dict[str, Entry] = field(default_factory=dict)


def unpacked(debs: list[Deb], folder: Path) -> dict[str, Package]:
    """All Debian packages under the family's names."""
    found: dict[str, Package] = {}
    for deb in debs:
        if deb.name in DROPPED:
            continue
        name = rpm_of(deb.name)
        package = found.setdefault(name, Package(name, upstream(deb.version), folder / name))
        package.entries |= unpack(deb, package.place)
    for path, name in MOVED.items():
        _move(path, found, found.setdefault(name, Package(name, MADE.get(name, ""), folder / name)))
    return found


def _move(path: str, packages: Mapping[str, Package], package: Package) -> None:
    old = next(one for one in packages.values() if path in one.entries)
    target = Path(f"{package.place}{path}")
    target.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{old.place}{path}").rename(target)
    package.entries[path] = old.entries.pop(path)


def staged(raw: Mapping[str, Package], key: Path, folder: Path) -> dict[str, list[Package]]:
    """The packages of each layer. A folder that two packages have becomes filesystem's."""
    layers = {layer.name: _layer(layer, raw, key, folder / layer.name) for layer in LAYERS}
    _share_folders(layers)
    _check_owners(layers)
    return layers


def _layer(layer: Layer, raw: Mapping[str, Package], key: Path, folder: Path) -> list[Package]:
    names = layer.packages or sorted((raw.keys() | MADE.keys()) - set(DIFFERENT))
    return [_package(name, layer, raw, key, folder / name) for name in names]


def _package(name: str, layer: Layer, raw: Mapping[str, Package], key: Path, place: Path) -> Package:
    place.mkdir(parents=True)
    package = Package(name, layer.version or MADE.get(name, ""), place)
    if name in raw:
        subprocess.run(["cp", "-al", f"{raw[name].place}/.", place], check=True)
        package = Package(name, raw[name].version, place, dict(raw[name].entries))
    for origin in dict.fromkeys((FILES / "common" / name, FILES / layer.name / name)):
        _lay_over(package, origin)
    if name in KEYS:
        _write(package, f"/etc/pki/rpm-gpg/{KEYS[name]}", key.read_text())
    for path, (old, new) in EDITS.get(layer.name, {}).items():
        if path in package.entries:
            _edit(package, path, old, new)
    _add_bare(package, layer)
    package.entries = {path: corrected(path, entry) for path, entry in package.entries.items()}
    return package


def _lay_over(package: Package, origin: Path) -> None:
    for source in sorted(origin.rglob("*")):
        path = f"/{source.relative_to(origin)}"
        target = Path(f"{package.place}{path}")
        if source.is_dir() and not source.is_symlink():
            target.mkdir(exist_ok=True)
            package.entries.setdefault(path, Entry("folder", 0o755))
            continue
        target.unlink(missing_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
        executable = os.access(source, os.X_OK) and not source.is_symlink()
        kind = "link" if source.is_symlink() else "file"
        package.entries[path] = Entry(kind, 0o755 if executable else 0o644)


def _write(package: Package, path: str, text: str, mode: int = 0o644) -> None:
    target = Path(f"{package.place}{path}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.write_text(text)
    package.entries[path] = Entry("file", mode)


def _edit(package: Package, path: str, old: str, new: str) -> None:
    text = Path(f"{package.place}{path}").read_text()
    assert old in text, f"{path} no longer says {old}"
    _write(package, path, text.replace(old, new), package.entries[path].mode)


def _add_bare(package: Package, layer: Layer) -> None:
    """Ghosts, empty folders and links: what needs no content."""
    folders: dict[str, tuple[str, str, int]] = dict(FOLDERS.get(package.name, {}))
    if package.name == "filesystem":
        folders |= {path: ("root", "root", mode) for path, mode in TREE.items()}
        for path, target in LINKS.items():
            Path(f"{package.place}{path}").parent.mkdir(parents=True, exist_ok=True)
            Path(f"{package.place}{path}").symlink_to(target)
            package.entries[path] = Entry("link", 0o777)
    if package.name == "rpm":
        folders[DATABASE_FOLDER[layer.name]] = ("root", "root", 0o755)
    for path, (user, group, mode) in folders.items():
        Path(f"{package.place}{path}").mkdir(parents=True, exist_ok=True)
        package.entries[path] = Entry("folder", mode, user, group)
    for path, mode in GHOSTS.get(package.name, {}).items():
        _write(package, path, "", mode)
        package.entries[path] = Entry("ghost", mode)


def _share_folders(layers: Mapping[str, list[Package]]) -> None:
    everything = [package for packages in layers.values() for package in packages]
    filesystem = next(package for package in everything if package.name == "filesystem")
    alone = {path for folders in FOLDERS.values() for path in folders}
    owners: dict[str, set[str]] = {}
    for package in everything:
        for path in package.entries:
            owners.setdefault(path, set()).add(package.name)
    for package in everything:
        for path, entry in list(package.entries.items()):
            if package is filesystem or entry.kind != "folder" or len(owners[path]) == 1:
                continue
            if path in FOLDERS.get(package.name, {}):
                continue
            del package.entries[path]
            if path in alone:
                continue
            Path(f"{filesystem.place}{path}").mkdir(parents=True, exist_ok=True)
            filesystem.entries.setdefault(path, entry)


def _check_owners(layers: Mapping[str, list[Package]]) -> None:
    """rpm would refuse such packages only when somebody installs both."""
    for flavour in FLAVOURS:
        owner: dict[str, str] = {}
        for package in (package for layer in flavour.layers for package in layers[layer]):
            for path in package.entries:
                assert owner.setdefault(path, package.name) == package.name, f"{path}: {owner[path]}, {package.name}"
