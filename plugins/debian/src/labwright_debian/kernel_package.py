"""A kernel as a .deb, so that dpkg owns its files and a later package can replace them."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from labwright.interfaces import KernelFiles, Workbench

NAME = "linux-image-labwright"


def debian_version(release: str) -> str:
    """A Debian version of a kernel release: 6.1.140-labwright becomes 6.1.140+labwright (deb-version(7))."""
    return re.sub(r"[^A-Za-z0-9.+~]", "+", release)


def control(release: str, kibibytes: int) -> str:
    """The control file (deb-control(5))."""
    return (
        f"Package: {NAME}\nVersion: {debian_version(release)}\nArchitecture: amd64\nSection: kernel\n"
        f"Priority: optional\nInstalled-Size: {kibibytes}\nMaintainer: labwright <labwright@localhost>\n"
        "Provides: linux-image\n"
        f"Description: minimal virtio kernel {release}\n"
        " Compiled from the distribution's own kernel source, for virtual machines of network labs.\n"
    )


def package_kernel(kernel: KernelFiles, destination: Path, bench: Workbench) -> None:
    """Write the package to `destination`: kernel and configuration in /boot, modules in /usr/lib/modules."""
    root = bench.scratch / "package"
    boot = root / "boot"
    modules = root / "usr/lib"
    for folder in (boot, modules, root / "DEBIAN"):
        folder.mkdir(parents=True)
    shutil.copyfile(kernel.bzimage, boot / f"vmlinuz-{kernel.release}")
    shutil.copyfile(kernel.config, boot / f"config-{kernel.release}")
    (boot / "vmlinuz").symlink_to(f"vmlinuz-{kernel.release}")
    bench.run(
        ["tar", "--extract", "--file", kernel.modules, "--directory", modules, "--strip-components=1",
         "--no-same-owner"],
        what="unpacking the modules failed",
    )  # fmt: skip
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1024
    (root / "DEBIAN/control").write_text(control(kernel.release, size))
    _dates(root, bench.source_date_epoch)
    bench.run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", root, destination],
        env={"SOURCE_DATE_EPOCH": str(bench.source_date_epoch)},
        what="packaging the kernel failed",
    )


def _dates(root: Path, epoch: int) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
