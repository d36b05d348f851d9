"""Debian from scratch: which releases there are and how each step of stage 1 is done."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from labwright.interfaces import (
    Bootstrapper,
    Distribution,
    ImageSpec,
    KernelFiles,
    KernelSource,
    Pins,
    Release,
    Workbench,
)
from labwright_debian import finish, kernel_package, programs, resolve, tree
from labwright_debian.archive import Archive
from labwright_debian.fetch import fetch
from labwright_debian.resolve import Ask

BASE_PACKAGES = (
    "ca-certificates", "dbus", "e2fsprogs", "fdisk", "iproute2", "iputils-ping", "kmod", "libpam-systemd", "netbase",
    "openssh-server", "python3", "python3-apt", "sudo", "systemd", "systemd-resolved", "systemd-sysv",
    "systemd-timesyncd", "udev", "usr-is-merged",
)  # fmt: skip
"""What every image needs to boot, to be reached and to be provisioned; docs/write-an-image.md says why."""


class DebianBootstrapper(Bootstrapper):
    """Debian by mmdebstrap or debootstrap, with a kernel from its own linux-source package."""

    interface_version: ClassVar[int] = 5
    distribution: ClassVar[Distribution] = Distribution(
        title="Debian",
        releases=(Release("bookworm", "linux-source-6.1"), Release("trixie", "linux-source-6.12")),
        default_release="bookworm",
        tools=("apt-get", "dpkg-deb", "dpkg-scanpackages"),
        makers=("mmdebstrap", "debootstrap"),
        fragments=("debian",),
        packages=BASE_PACKAGES,
        proof="systemd",
    )

    def resolve(self, image: ImageSpec, bench: Workbench, snapshot: str = "") -> Pins:
        """The signed indexes as they are now, and what apt would take from them."""
        return self._resolve(image, self.distribution.asked(image), resolve.system, bench, snapshot)

    def resolve_programs(self, image: ImageSpec, packages: tuple[str, ...], bench: Workbench) -> Pins:
        """The same of an empty disk, without what Debian calls essential."""
        return self._resolve(image, packages, resolve.programs, bench, image.build.snapshot)

    def make_programs(self, pins: Pins, destination: Path, bench: Workbench) -> int:
        """The packages unpacked, and a list of them for scanners."""
        return programs.make_programs(pins, destination, bench)

    def _resolve(self, image: ImageSpec, asked: tuple[str, ...], ask: Ask, bench: Workbench, snapshot: str) -> Pins:
        archive = Archive.of(image, self.suite(image), bench, snapshot)
        with archive.alone(bench):
            archive.update(bench)
            return Pins(
                type=image.build.type,
                release=archive.suite,
                snapshot=snapshot,
                asked=asked,
                mirrors=archive.mirrors,
                kernel_source=resolve.single(archive, self.kernel_source(image), bench),
                packages=ask(archive, asked, bench),
            )

    def fetch_kernel_source(self, image: ImageSpec, pins: Pins, destination: Path, bench: Workbench) -> KernelSource:
        """The package is checked by its hash, which came from the signed indexes, now or when the lock was made."""
        (package,) = fetch([pins.kernel_source], pins, bench.scratch / "pool", bench)
        unpacked = bench.scratch / "source"
        bench.run(["dpkg-deb", "--extract", package, unpacked], what=f"unpacking {package.name} failed")
        tarball = unpacked / "usr/src" / f"{pins.kernel_source.name}.tar.xz"
        date = int(tarball.stat().st_mtime)
        tarball.rename(destination / KernelSource.ARCHIVE)
        return KernelSource(date)

    def make_tree(self, image: ImageSpec, pins: Pins, destination: Path, bench: Workbench) -> int:
        """The base set, the image's packages and nothing of the host."""
        return tree.make_tree(image, pins, destination, bench)

    def package_kernel(self, kernel: KernelFiles, destination: Path, bench: Workbench) -> None:
        """A .deb, so that dpkg owns the kernel's files."""
        kernel_package.package_kernel(kernel, destination, bench)

    def finish_tree(self, image: ImageSpec, tree: Path, kernel_package: Path, bench: Workbench) -> None:
        """Kernel, user, network, first boot, and everything taken out that clones must not share."""
        finish.finish_tree(image, tree, kernel_package, bench)

    def suite(self, image: ImageSpec) -> str:
        """The suite that the image asks for."""
        return image.build.release or self.distribution.default_release

    def kernel_source(self, image: ImageSpec) -> str:
        """The package that holds this suite's kernel source."""
        release = self.distribution.release(self.suite(image))
        assert release is not None, "the core checks the release before it calls a driver"
        return release.kernel_source
