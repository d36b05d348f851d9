"""A kernel as an RPM, so that rpm owns its files and a later package can replace them."""

from __future__ import annotations

import re
from pathlib import Path

from labwright.interfaces import KernelFiles, Workbench
from labwright.kernel.files import lay_out

NAME = "kernel-labwright"


def rpm_version(release: str) -> tuple[str, str]:
    """Version and release of an RPM for a kernel release: 5.14.0-570.el9.x86_64-labwright becomes 5.14.0 and
    570.el9.x86_64.labwright, since no hyphen may be in either (rpm's manual, Dependencies)."""
    version, _, rest = release.partition("-")
    return version, re.sub(r"[^A-Za-z0-9.+~^_]", ".", rest) or "1"


def spec(release: str, root: Path) -> str:
    """The spec file of a package that holds the folder `root`."""
    version, number = rpm_version(release)
    return (
        f"Name: {NAME}\nVersion: {version}\nRelease: {number}\nSummary: Minimal virtio kernel {release}\n"
        "License: GPL-2.0-only\nAutoReqProv: no\n"
        f"Provides: kernel = {version}-{number}\nProvides: kernel-core = {version}-{number}\n"
        "%description\nCompiled from the distribution's own kernel source, for virtual machines of network labs.\n"
        f'%install\nmkdir -p "%{{buildroot}}"\ncp -a "{root}/." "%{{buildroot}}/"\n'
        "%files\n%defattr(-,root,root,-)\n"
        f"/boot/vmlinuz-{release}\n/boot/config-{release}\n/boot/vmlinuz\n/usr/lib/modules/{release}\n"
    )


def package_kernel(kernel: KernelFiles, destination: Path, bench: Workbench) -> None:
    """Write the package to `destination`: kernel and configuration in /boot, modules in /usr/lib/modules."""
    root = bench.scratch / "package"
    lay_out(kernel, root, bench)
    top = bench.scratch / "rpmbuild"
    top.mkdir()
    (top / "kernel.spec").write_text(spec(kernel.release, root))
    definitions = {
        "_topdir": top, "_rpmdir": top, "_rpmfilename": "kernel.rpm", "_buildhost": "labwright",
        "_buildshell": "/bin/bash", "_binary_payload": "w3.xzdio", "debug_package": "%{nil}",
        "__os_install_post": "%{nil}", "_build_id_links": "none", "use_source_date_epoch_as_buildtime": 1,
        "clamp_mtime_to_source_date_epoch": 1, "source_date_epoch_from_changelog": 0,
        # A package of this host's rpm would else say which one it was.
        "_dbpath": top / "db",
    }  # fmt: skip
    words = [word for name, value in definitions.items() for word in ("--define", f"{name} {value}")]
    bench.run(
        ["rpmbuild", "-bb", "--target", "x86_64", *words, top / "kernel.spec"],
        env={"SOURCE_DATE_EPOCH": str(bench.source_date_epoch), "HOME": str(top)},
        what="packaging the kernel failed",
        timeout=1800,
    )
    (top / "kernel.rpm").replace(destination)
