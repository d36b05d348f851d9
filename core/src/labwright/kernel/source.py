"""A distribution's kernel source, unpacked: what the driver put beside the archive is applied to it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import KernelSource, Workbench

EXTRA_VERSION = re.compile(r"^EXTRAVERSION *=.*$", re.MULTILINE)
NOT_COMPILED = (
    *(f"--exclude=*/arch/{name}/*{kind}" for kind in (".[chS]", ".dts*") for name in (
        "alpha", "arc", "arm", "arm64", "csky", "hexagon", "ia64", "loongarch", "m68k", "microblaze", "mips", "nios2",
        "openrisc", "parisc", "powerpc", "riscv", "s390", "sh", "sparc", "um", "xtensa",
    )),
    "--exclude=*/Documentation/*/*", "--exclude=*/tools/testing/*", "--exclude=*/drivers/gpu/drm/*/*.[ch]",
    "--exclude=*/sound/*.[ch]",
)  # fmt: skip
"""What a kernel for this processor is not compiled from: half of the unpacked source. Kconfig files stay, since every
one of them is read."""
CONFIGURATION = ("*/Kconfig*", "*/Makefile*", "*/scripts/*", "*/arch/x86/*.sh", "*/Kbuild*")
"""What `make allnoconfig` and a review read."""


def unpack_source(folder: Path, extra_version: str, bench: Workbench) -> Path:
    """Unpack a kernel source (see KernelSource) into the scratch folder, ready to be configured and compiled."""
    bench.say("unpacking the kernel's source")
    return _unpack(folder, bench.scratch / "linux", extra_version, NOT_COMPILED, bench)


def pack_configuration(folder: Path, archive: Path, bench: Workbench) -> None:
    """Make an archive of just what a configuration and its review need."""
    bench.say("unpacking the kernel's configuration")
    tree = _unpack(folder, bench.scratch / "kconfig", "", ("--wildcards", *CONFIGURATION), bench)
    # After patches the whole source is there, and the same is taken of it.
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if _is_configuration(path, tree))
    listed = bench.scratch / "kconfig.list"
    listed.write_bytes(b"".join(os.fsencode(name) + b"\0" for name in names))
    bench.run(
        ["tar", "--create", "--file", archive, "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0",
         "--no-recursion", "--directory", tree, "--null", "--verbatim-files-from", "--files-from", listed],
        what="the kernel's configuration cannot be packed",
    )  # fmt: skip


def _is_configuration(path: Path, tree: Path) -> bool:
    name = f"/{path.relative_to(tree)}"
    return not path.is_dir() and any(fnmatchcase(name, pattern) for pattern in CONFIGURATION)


def unpack_configuration(archive: Path, bench: Workbench) -> Path:
    """Unpack what pack_configuration() made into the scratch folder, ready to be configured."""
    tree = bench.scratch / "kconfig"
    tree.mkdir()
    bench.run(
        ["tar", "--extract", "--file", archive, "--directory", tree, "--no-same-owner", "--no-same-permissions"],
        what="the kernel's configuration cannot be unpacked",
    )
    return tree


def _unpack(folder: Path, tree: Path, extra_version: str, only: Sequence[str], bench: Workbench) -> Path:
    """An archive that climbs out of its folder is refused by tar, a patch that does so by patch."""
    patches = sorted((folder / KernelSource.PATCHES).glob("*"))
    tree.mkdir()
    bench.run(
        ["tar", "--extract", "--xz", "--file", folder / KernelSource.ARCHIVE, "--directory", tree,
         "--strip-components=1", "--no-same-owner", "--no-same-permissions",
         # A patch may change any file, so with one all of them are wanted.
         *(() if patches else only)],
        what="the kernel's source cannot be unpacked",
    )  # fmt: skip
    if (folder / KernelSource.EXTRA).is_dir():
        shutil.copytree(folder / KernelSource.EXTRA, tree, dirs_exist_ok=True)
    for patch in patches:
        bench.run(
            ["patch", "--batch", "--forward", "--strip=1", "--fuzz=0", "--directory", tree, "--input", patch],
            what=f"the distribution's patch {patch.name} does not apply to its own kernel source",
            hint="is the source package whole? a build without the cache fetches it again: labwright cache prune",
        )
    if extra_version:
        _set_extra_version(tree / "Makefile", extra_version)
    return tree


def _set_extra_version(makefile: Path, extra_version: str) -> None:
    text, count = EXTRA_VERSION.subn(lambda _: f"EXTRAVERSION = {extra_version}", makefile.read_text())
    if count != 1:
        raise LabwrightError(
            f"the kernel's Makefile has {count} lines EXTRAVERSION, not one",
            cause=Cause.HOST,
            hint="is the archive a kernel source?",
        )
    makefile.write_text(text)
