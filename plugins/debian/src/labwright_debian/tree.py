"""The root file system of exactly the pinned packages, by mmdebstrap or by debootstrap: same set, same result."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

from labwright.disk.archive import pack
from labwright.errors import Cause, LabwrightError
from labwright.host.environment import has_tool
from labwright.host.run import chroot_command
from labwright.interfaces import ImageSpec, Pins, Workbench
from labwright_debian import clean
from labwright_debian.archive import Archive
from labwright_debian.fetch import fetch, index, newest

MERGED_USR = "/usr/share/mmdebstrap/hooks/maybe-merged-usr"
"""Lays the tree out with /usr merged before the first package, as debootstrap does. Without it usrmerge, and all of
Perl with it, would be installed to move the files."""

LEAVE_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*")
KEEP = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")


def make_tree(image: ImageSpec, pins: Pins, destination: Path, bench: Workbench) -> int:
    """Write the tree to `destination`, a tar file; returns the latest time in it."""
    tool = image.build.bootstrap
    if tool == "auto":
        tool = "mmdebstrap" if has_tool("mmdebstrap") else "debootstrap"
    pool = bench.scratch / "repository/pool"
    files = fetch(pins.packages, pins, pool, bench)
    epoch = bench.source_date_epoch or newest(files)
    dated = replace(bench, source_date_epoch=epoch)
    repository = index(pool, pins.release, dated)
    root = bench.scratch / "tree"
    root.mkdir(mode=0o755)
    bench.say(f"{tool}: {len(pins.asked)} packages and what they need, {len(pins.packages)} in all")
    (with_mmdebstrap if tool == "mmdebstrap" else with_debootstrap)(repository, pins, root, dated)
    check_installed(pins, root)
    clean.normalise(root)
    (root / "etc/apt/sources.list").write_text(Archive.of_pins(pins).sources())
    # Filled with devices by root, mounted over in a user namespace: empty in the tree, and with one date.
    os.utime(root / "dev", (epoch, epoch))
    pack(root, destination, dated, exclude=("./dev/*",))
    return epoch


def with_mmdebstrap(repository: Path, pins: Pins, root: Path, bench: Workbench) -> None:
    """One run, and apt resolves everything together."""
    sources = bench.scratch / "sources.list"
    sources.write_text(f"deb [trusted=yes] copy:{repository} {pins.release} main\n")
    bench.run(
        ["mmdebstrap", "--mode=root", "--variant=minbase", "--architectures=amd64", "--format=directory",
         f"--hook-dir={MERGED_USR}", f"--include={','.join(('apt', *pins.asked))}", *_filters("--dpkgopt="),
         "--skip=cleanup/apt/lists", pins.release, root, sources],
        env=_environment(bench),
        contained=True,
        what=f"installing {pins.release} failed",
        cause=Cause.HOST,
        timeout=3600,
    )  # fmt: skip


def with_debootstrap(repository: Path, pins: Pins, root: Path, bench: Workbench) -> None:
    """The minimal set first; then apt inside it, since debootstrap's own resolver knows no alternatives."""
    bench.run(
        ["debootstrap", "--no-check-gpg", "--variant=minbase", "--arch=amd64", pins.release, root,
         f"file:{repository}"],
        # In a user namespace no device can be made; told that this is a container, debootstrap does not try.
        env=_environment(bench) | {"container": "lxc"},
        contained=True,
        what=f"installing {pins.release} failed",
        timeout=3600,
    )  # fmt: skip
    inside = root / "labwright-repository"
    # A copy: scripts of packages run in there, and what we keep must stay as it is.
    shutil.copytree(repository, inside)
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] copy:/{inside.name} {pins.release} main\n")
    (root / "etc/dpkg/dpkg.cfg.d/99labwright").write_text("\n".join(_filters("")) + "\n")
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    for words in (["update"], ["dist-upgrade"], ["install", "--no-install-recommends", *pins.asked]):
        bench.run(
            chroot_command(root, ["apt-get", "-q", "-y", "-o", "APT::Sandbox::User=root", *words]),
            env=_environment(bench) | {"DEBIAN_FRONTEND": "noninteractive"},
            contained=True,
            what=f"installing {pins.release} failed (apt-get {words[0]})",
            timeout=3600,
        )
    policy.unlink()
    shutil.rmtree(inside)


def check_installed(pins: Pins, root: Path) -> None:
    """Raise LabwrightError (host) unless the tree has the pinned packages in the pinned versions and nothing else."""
    wanted = {(package.name, package.version) for package in pins.packages}
    installed = parse_status((root / "var/lib/dpkg/status").read_text())
    if wanted != installed:
        lacking, beyond = sorted(wanted - installed), sorted(installed - wanted)
        raise LabwrightError(
            f"the tree is not what was pinned: {len(lacking)} packages lack, {len(beyond)} are too much",
            cause=Cause.HOST,
            details=[*(f"lacks {name} {version}" for name, version in lacking[:6]),
                     *(f"has {name} {version}" for name, version in beyond[:6])],
            hint="this is a bug of labwright or of the tool that made the tree: please report it",
        )  # fmt: skip


def parse_status(text: str) -> set[tuple[str, str]]:
    """Name and version of each installed package in dpkg's status file (deb-status; dpkg(1))."""
    found = set()
    for paragraph in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[A-Z][A-Za-z-]*: ", line))
        if fields.get("Status") == "install ok installed":
            found.add((fields["Package"], fields["Version"]))
    return found


def _filters(prefix: str) -> list[str]:
    return [f"{prefix}path-exclude={path}" for path in LEAVE_OUT] + [f"{prefix}path-include={path}" for path in KEEP]


def _environment(bench: Workbench) -> dict[str, str]:
    return {"SOURCE_DATE_EPOCH": str(bench.source_date_epoch), "HOME": "/root"}
