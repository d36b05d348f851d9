"""A kernel's files at the places where every distribution has them, for the package that is to own them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from labwright.interfaces import KernelFiles, Workbench


def lay_out(kernel: KernelFiles, root: Path, bench: Workbench) -> None:
    """Put the files below `root`, a new folder: kernel and configuration in /boot, modules in /usr/lib/modules.

    All have the bench's date and the modes that packages give.
    """
    boot, modules = root / "boot", root / "usr/lib"
    for folder in (boot, modules):
        folder.mkdir(parents=True)
    shutil.copyfile(kernel.bzimage, boot / f"vmlinuz-{kernel.release}")
    shutil.copyfile(kernel.config, boot / f"config-{kernel.release}")
    (boot / "vmlinuz").symlink_to(f"vmlinuz-{kernel.release}")
    bench.run(
        ["tar", "--extract", "--file", kernel.modules, "--directory", modules, "--strip-components=1",
         "--no-same-owner"],
        what="unpacking the modules failed",
    )  # fmt: skip
    set_dates(root, bench.source_date_epoch)


def set_dates(root: Path, epoch: int) -> None:
    """Give everything below a folder, and itself, one date in seconds since 1970, and the modes of packages."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
