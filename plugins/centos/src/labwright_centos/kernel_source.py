"""The kernel's source package taken apart, without rpmbuild: Debian's cannot parse the kernel's spec file.

What is in there (CentOS Stream's kernel.spec): linux-<release>.tar.xz, Makefile.rhelver, which names the release to the
makefile, and patches, most of them empty.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import KernelSource, Workbench
from labwright_centos.packages import newest

SPEC = "kernel.spec"
EXTRAS = ("Makefile.rhelver",)
ARCHIVE = re.compile(r"linux-[0-9][A-Za-z0-9.+~^_-]*\.tar\.xz")
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~^_%@-]*")
DEFINITION = re.compile(r"^%(?:define|global)\s+(\w+)\s+(\S+)\s*$", re.MULTILINE)
PATCH = re.compile(r"^Patch(?P<number>[0-9]+):\s*(?P<name>\S+)\s*$", re.MULTILINE)
MACRO = re.compile(r"%\{\??(\w+)\}")
LARGEST = 4 << 30
"""Bytes of everything in a source package; more ends in an error."""
EMPTY = 9
"""Lines of a patch that the spec file does not apply (ApplyOptionalPatch of kernel.spec)."""
DAMAGED = "is it the kernel's source package of an Enterprise Linux 9 or 10? check build.mirror"


@dataclass(frozen=True)
class Patch:
    """A patch that the spec file names. number: its place in the order."""

    number: int
    name: str


def unpack(package: Path, version: str, destination: Path, bench: Workbench) -> KernelSource:
    """Take the source package apart into the folder `destination`. version: the package's own, with its release.

    Raises LabwrightError (config) for a package of another shape.
    """
    bench.say(f"taking {package.name} apart")
    folder = bench.scratch / "source"
    files = _extract(package, folder, bench)
    archive = [name for name in files if ARCHIVE.fullmatch(name)]
    if len(archive) != 1 or SPEC not in files:
        raise _odd(package, f"it has {len(archive)} archives linux-*.tar.xz" if SPEC in files else f"it has no {SPEC}")
    spec = (folder / SPEC).read_text(encoding="utf-8", errors="replace")
    patches = destination / KernelSource.PATCHES
    for patch in patches_of(spec):
        if patch.name not in files:
            raise _odd(package, f"its spec file names the patch {patch.name[:80]!r}, which is not in it")
        if (folder / patch.name).read_bytes().count(b"\n") > EMPTY:
            patches.mkdir(exist_ok=True)
            shutil.copyfile(folder / patch.name, patches / f"{patch.number:08}-{patch.name}")
    for name in EXTRAS:
        if name in files:
            (destination / KernelSource.EXTRA).mkdir(exist_ok=True)
            shutil.copyfile(folder / name, destination / KernelSource.EXTRA / name)
    (folder / archive[0]).rename(destination / KernelSource.ARCHIVE)
    return KernelSource(newest([package], bench), extra_version(version))


def extra_version(version: str) -> str:
    """EXTRAVERSION as the distribution's own kernel has it: -570.el9.x86_64 of 5.14.0-570.el9."""
    return f"-{version.rpartition('-')[2]}.x86_64"


def patches_of(spec: str) -> list[Patch]:
    """The patches of a spec file in their order, with its own macros put in."""
    macros = dict(DEFINITION.findall(spec))
    found = [Patch(int(one["number"]), _expanded(one["name"], macros)) for one in PATCH.finditer(spec)]
    return sorted(found, key=lambda patch: patch.number)


def _expanded(text: str, macros: Mapping[str, str]) -> str:
    for _ in range(4):
        text = MACRO.sub(lambda found: macros.get(found[1], found[0]), text)
    return text


def _extract(package: Path, folder: Path, bench: Workbench) -> Sequence[str]:
    """The names of the files in it, unpacked flat: a source package has no folders, and one with them is refused."""
    folder.mkdir()
    payload = bench.scratch / "source.tar"
    bench.run(
        ["prlimit", f"--fsize={LARGEST}", "sh", "-c", 'exec rpm2cpio "$0" > "$1"', package, payload],
        what=f"{package.name} cannot be unpacked",
        cause=Cause.CONFIG,
        timeout=1800,
    )
    listed = bench.run(["cpio", "--list", "--quiet", "--file", payload], what=f"{package.name} cannot be listed")
    names = str(listed.output).splitlines()
    if odd := [name for name in names if not PLAIN_NAME.fullmatch(name)]:
        raise _odd(package, f"it has a file named {odd[0][:80]!r}")
    bench.run(
        ["cpio", "--extract", "--quiet", "--no-absolute-filenames", "--no-preserve-owner", "--file", payload],
        cwd=folder,
        what=f"{package.name} cannot be unpacked",
    )
    payload.unlink()
    # A link or a device would lead elsewhere.
    return [name for name in names if (folder / name).is_file() and not (folder / name).is_symlink()]


def _odd(package: Path, what: str) -> LabwrightError:
    return LabwrightError(f"{package.name} is no kernel source that is known: {what}", cause=Cause.CONFIG, hint=DAMAGED)
