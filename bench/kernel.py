"""The floor of a kernel build: plain make with plain gcc, from the same source and configuration."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Measured, measure

from labwright.host.run import run

COMPILE_SECONDS = 4 * 3600.0
ARCH = "ARCH=x86_64"


@dataclass(frozen=True)
class CompiledKernel:
    """What compiling cost and made. image_bytes: size of bzImage. objects: files compiled or assembled for it."""

    measured: Measured
    image_bytes: int
    objects: int


def compile_kernel(source_archive: Path, config_file: Path, folder: Path, jobs: int) -> CompiledKernel:
    """Compile a kernel below `folder`, and remove the tree afterwards; unpacking and configuring are not measured.

    source_archive: a tar.xz with one folder in it. config_file: a .config; what it does not say becomes the default.
    Raises LabwrightError where unpacking or configuring fails, RuntimeError with the compiler's words where make does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kernel-", dir=folder) as name:
        tree = Path(name)
        run(["tar", "--extract", "--xz", "--strip-components=1", "--no-same-owner",
             "--file", source_archive.absolute(), "--directory", tree], what="unpacking the source failed")  # fmt: skip
        shutil.copyfile(config_file, tree / ".config")
        run(["make", ARCH, "olddefconfig"], cwd=tree, what="configuring the kernel failed")
        targets = ["bzImage", "vmlinux"]
        # make refuses the target where the configuration has no modules.
        if "CONFIG_MODULES=y" in (tree / ".config").read_text().splitlines():
            targets.append("modules")
        measured = measure(["make", ARCH, f"-j{jobs}", *targets], cwd=tree, timeout=COMPILE_SECONDS).checked()
        return CompiledKernel(measured, (tree / "arch/x86/boot/bzImage").stat().st_size, compiled_objects(tree))


def compiled_objects(tree: Path) -> int:
    """How many objects gcc made from sources of the kernel: what was only linked and programs of the host are not in.

    Kbuild writes beside each object the command that made it.
    """
    return sum(_is_compiled(file.read_text(errors="replace")) for file in tree.rglob(".*.o.cmd"))


def _is_compiled(command: str) -> bool:
    words = command.partition("\n")[0].split()
    return "-c" in words and "-D__KERNEL__" in words
