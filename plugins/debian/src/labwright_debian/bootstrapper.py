"""Debian from scratch: which releases there are and how each step of stage 1 is done."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from labwright.interfaces import Bootstrapper, Distribution, KernelFiles, Pins, Release, Workbench
from labwright.spec.image import ImageSpec
from labwright_debian import finish, kernel_package, tree
from labwright_debian.archive import Archive


class DebianBootstrapper(Bootstrapper):
    """Debian by mmdebstrap or debootstrap, with a kernel from its own linux-source package."""

    distribution: ClassVar[Distribution] = Distribution(
        title="Debian",
        releases=(Release("bookworm", "linux-source-6.1"), Release("trixie", "linux-source-6.12")),
        default_release="bookworm",
        tools=("apt-get", "dpkg-deb"),
        fragments=("debian",),
        proof="systemd",
    )

    def resolve(self, image: ImageSpec, bench: Workbench) -> Pins:
        """The signed indexes as they are now, and the version of the kernel's source in them."""
        archive = Archive.of(image, self.suite(image), bench)
        archive.update(bench)
        source = archive.candidate(self.kernel_source(image), bench)
        return Pins(archive=archive.digest(bench), kernel_source=source, epoch=archive.epoch(bench))

    def fetch_kernel_source(self, image: ImageSpec, pins: Pins, destination: Path, bench: Workbench) -> None:
        """Fetched and verified by apt against the image's suite, whatever suite the host runs."""
        archive = Archive.of(image, self.suite(image), bench)
        package = archive.download(self.kernel_source(image), pins.kernel_source, bench)
        unpacked = bench.scratch / "source"
        bench.run(["dpkg-deb", "--extract", package, unpacked], what=f"unpacking {package.name} failed")
        name = self.kernel_source(image)
        (unpacked / "usr/src" / f"{name}.tar.xz").rename(destination)

    def make_tree(self, image: ImageSpec, pins: Pins, destination: Path, bench: Workbench) -> None:
        """The base set, the image's packages and nothing of the host."""
        tree.make_tree(image, Archive.of(image, self.suite(image), bench), destination, bench)

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
