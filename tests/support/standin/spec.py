"""The one spec of a layer: all of its packages in a single run of rpmbuild, which is ten times faster than one each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from .attributes import Entry
from .packages import FLAVOURS, NOARCH, PROVIDES, REQUIRES, REQUIRES_POST, REQUIRES_PRE, Layer
from .stage import Package

SCRIPTLETS = Path(__file__).with_name("scriptlets")
HEAD = r"""
%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%global __requires_exclude ^(libatm|perl|pkgconfig).*$
%define _unpackaged_files_terminate_build 0
Name: standin
Version: 1
Release: 1%{?dist}
Summary: A stand-in for packages of the Enterprise Linux family
License: various
%description
A stand-in: Debian's binaries under the family's names. It proves what is around the real packages, never these.
"""


def make_spec(layer: Layer, packages: Iterable[Package], lists: Path) -> str:
    """The text of the spec; the list of each package's files goes into the folder lists."""
    parts = [HEAD]
    for package in packages:
        files = _files(package.entries)
        (lists / package.name).write_text("".join(f"{line}\n" for line in files))
        listed = f" -f {lists / package.name}" if files else ""
        parts += [*_head(layer, package), *_provides(layer, package), *_about(package)]
        parts += [*_scriptlets(layer, package), f"%files -n {package.name}{listed}", ""]
    copies = "\n".join(f"cp -al {package.place}/. %{{buildroot}}/" for package in packages)
    return "\n".join([*parts, "%install", copies, ""])


def _head(layer: Layer, package: Package) -> list[str]:
    lines = [
        f"%package -n {package.name}",
        f"Version: {package.version}",
        f"Release: {layer.release or 1}%{{?dist}}",
        f"Summary: stand-in for {package.name}",
        "License: various",
    ]
    if package.name in NOARCH or layer.version:
        lines.append("BuildArch: noarch")
    for word, table in (("", REQUIRES), ("(pre)", REQUIRES_PRE), ("(post)", REQUIRES_POST)):
        lines += [f"Requires{word}: {name}" for name in table.get(package.name, "").split()]
    return lines


def _provides(layer: Layer, package: Package) -> list[str]:
    names = PROVIDES.get(package.name, "").split()
    if (layer.name, package.name) not in {(flavour.name, flavour.release) for flavour in FLAVOURS}:
        return [_provide(name) for name in names]
    major = layer.version.split(".")[0]
    full = f"{layer.version}-{layer.release}{layer.dist}"
    names += [f"{name}={full}" for name in ("centos-release", "system-release", "redhat-release")]
    names += [f"system-release(releasever)={major}", f"base-module(platform:el{major})"]
    others = [f"Requires: {name} = {full}" for name in layer.packages if name != package.name]
    return [*others, *map(_provide, names)]


def _provide(name: str) -> str:
    return "Provides: " + name.replace("=", " = ")


def _about(package: Package) -> list[str]:
    return [
        f"%description -n {package.name}",
        f"A stand-in for {package.name}, of the tests. Not the real package.",
        "",
    ]


def _scriptlets(layer: Layer, package: Package) -> list[str]:
    lines: list[str] = []
    for prefix in ("", f"{layer.name}."):
        for phase in ("pre", "post"):
            script = SCRIPTLETS / f"{prefix}{package.name}.{phase}"
            if script.exists():
                lines += [f"%{phase} -n {package.name}", script.read_text()]
    lua = SCRIPTLETS / f"{package.name}.pretrans.lua"
    if lua.exists():
        lines += [f"%pretrans -n {package.name} -p <lua>", lua.read_text()]
    return lines


def _files(entries: dict[str, Entry]) -> list[str]:
    return [_file(path, entry) for path, entry in sorted(entries.items())]


def _file(path: str, entry: Entry) -> str:
    words = []
    configured = path.startswith("/etc/") and entry.kind in {"file", "ghost"}
    if entry.kind == "ghost":
        words.append("%ghost")
    if not entry.verified:
        words.append("%verify(not md5 size mtime)")
    if configured:
        words.append("%config(noreplace,missingok)" if entry.kind == "ghost" else "%config(noreplace)")
    if entry.kind == "folder":
        words.append("%dir")
    elif path.startswith(("/usr/share/doc/", "/usr/share/man/")):
        words.append("%doc")
    language = re.match(r"/usr/share/locale/([^/]+)/.", path)
    if language and entry.kind != "folder":
        words.append(f"%lang({language[1]})")
    if entry.capabilities:
        words.append(f"%caps({entry.capabilities})")
    if entry.kind != "link":
        words.append(f"%attr({entry.mode:04o},{entry.user},{entry.group})")
    return " ".join([*words, _quoted(path)])


def _quoted(path: str) -> str:
    """rpmbuild reads paths as patterns."""
    return '"' + re.sub(r"[\[\]*?{}%\\]", "?", path) + '"'
