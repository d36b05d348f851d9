"""The root file system with its packages, by mmdebstrap or by debootstrap: same set, same result."""

from __future__ import annotations

import shutil
from pathlib import Path

from labwright.disk.archive import pack
from labwright.errors import Cause
from labwright.host.environment import has_tool
from labwright.host.run import chroot_command
from labwright.interfaces import Workbench
from labwright.spec.image import ImageSpec
from labwright_debian import clean
from labwright_debian.archive import KEYRING, Archive

BASE_PACKAGES = (
    "ca-certificates", "dbus", "e2fsprogs", "fdisk", "iproute2", "iputils-ping", "kmod", "libpam-systemd", "netbase",
    "openssh-server", "sudo", "systemd", "systemd-resolved", "systemd-sysv", "systemd-timesyncd", "udev",
    "usr-is-merged",
)  # fmt: skip
"""What every image needs to boot, to be reached and to be provisioned; docs/write-an-image.md says why."""

MERGED_USR = "/usr/share/mmdebstrap/hooks/maybe-merged-usr"
"""Lays the tree out with /usr merged before the first package, as debootstrap does. Without it usrmerge, and all of
Perl with it, would be installed to move the files."""

LEAVE_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*")
KEEP = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")


def make_tree(image: ImageSpec, archive: Archive, destination: Path, bench: Workbench) -> None:
    """Write the tree to `destination`, a tar file."""
    tool = image.build.bootstrap
    if tool == "auto":
        tool = "mmdebstrap" if has_tool("mmdebstrap") else "debootstrap"
    packages = tuple(sorted({*BASE_PACKAGES, *image.build.packages}))
    root = bench.scratch / "tree"
    root.mkdir(mode=0o755)
    bench.say(f"{tool}: {len(packages)} packages and what they need")
    (with_mmdebstrap if tool == "mmdebstrap" else with_debootstrap)(archive, packages, root, bench)
    clean.normalise(root)
    (root / "etc/apt/sources.list").write_text(archive.sources(KEYRING))
    pack(root, destination, bench, exclude=("./dev/*",))


def with_mmdebstrap(archive: Archive, packages: tuple[str, ...], root: Path, bench: Workbench) -> None:
    """One run, and apt resolves everything together."""
    sources = bench.scratch / "sources.list"
    sources.write_text(archive.sources())
    bench.run(
        ["mmdebstrap", "--mode=root", "--variant=minbase", "--architectures=amd64", "--format=directory",
         f"--hook-dir={MERGED_USR}",
         f"--include={','.join(packages)}", *_filters("--dpkgopt="), '--aptopt=Acquire::Retries "3"',
         '--aptopt=Acquire::http::Timeout "30"', "--skip=cleanup/apt/lists",
         archive.suite, root, sources],
        env=_environment(bench),
        contained=True,
        what=f"installing {archive.suite} failed",
        cause=Cause.HOST,
        timeout=3600,
    )  # fmt: skip


def with_debootstrap(archive: Archive, packages: tuple[str, ...], root: Path, bench: Workbench) -> None:
    """The minimal set first; then apt inside it, since debootstrap's own resolver knows no alternatives."""
    bench.run(
        ["debootstrap", "--variant=minbase", "--arch=amd64", f"--keyring={archive.keyring}", archive.suite, root,
         archive.mirror],
        env=_environment(bench),
        contained=True,
        what=f"installing {archive.suite} failed",
        timeout=3600,
    )  # fmt: skip
    keyring = root / KEYRING.lstrip("/")
    if archive.keyring != KEYRING:
        shutil.copyfile(archive.keyring, keyring)
    (root / "etc/apt/sources.list").write_text(archive.sources(KEYRING))
    (root / "etc/dpkg/dpkg.cfg.d/99labwright").write_text("\n".join(_filters("")) + "\n")
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    for name in ("resolv.conf", "hosts"):
        shutil.copyfile(Path("/etc", name), root / "etc" / name)
    apt = ["apt-get", "-q", "-y", "-o", "Acquire::Retries=3", "-o", "Acquire::Languages=none"]
    for words in (["update"], ["dist-upgrade"], ["install", "--no-install-recommends", *packages]):
        bench.run(
            chroot_command(root, [*apt, *words]),
            env=_environment(bench) | {"DEBIAN_FRONTEND": "noninteractive"},
            contained=True,
            what=f"installing {archive.suite} failed (apt-get {words[0]})",
            timeout=3600,
        )
    policy.unlink()
    for name in ("resolv.conf", "hosts"):
        (root / "etc" / name).unlink()


def _filters(prefix: str) -> list[str]:
    return [f"{prefix}path-exclude={path}" for path in LEAVE_OUT] + [f"{prefix}path-include={path}" for path in KEEP]


def _environment(bench: Workbench) -> dict[str, str]:
    return {"SOURCE_DATE_EPOCH": str(bench.source_date_epoch)}
