"""A kernel as a .deb, so that dpkg owns its files and a later package can replace them."""

from __future__ import annotations

import re
from pathlib import Path

from labwright.interfaces import KernelFiles, Workbench
from labwright.kernel.files import lay_out, set_dates

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
    lay_out(kernel, root, bench)
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1024
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(control(kernel.release, size))
    set_dates(root, bench.source_date_epoch)
    bench.run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", root, destination],
        env={"SOURCE_DATE_EPOCH": str(bench.source_date_epoch)},
        what="packaging the kernel failed",
    )
