"""CentOS Stream and its kin from scratch: which releases there are and how each step of stage 1 is done."""

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
from labwright_centos import finish, kernel_package, kernel_source, keys, tree
from labwright_centos.dnf import Dnf
from labwright_centos.mirror import Mirror
from labwright_centos.packages import fetch
from labwright_centos.releases import REFUSED, RELEASES

DEFAULT = "9-stream"
KERNEL = "kernel"
BASE_PACKAGES = (
    "NetworkManager", "bash", "ca-certificates", "chrony", "coreutils", "dnf", "e2fsprogs", "findutils", "gawk",
    "glibc-minimal-langpack", "grep", "gzip", "hostname", "iproute", "iputils", "kmod", "openssh-clients",
    "openssh-server", "passwd", "procps-ng", "python3", "rpm", "sed", "sudo", "systemd", "systemd-udev", "tar",
    "util-linux",
)  # fmt: skip
"""What every image needs to boot, to be reached and to be provisioned; docs/centos.md says why."""


class CentosBootstrapper(Bootstrapper):
    """Enterprise Linux by dnf, with a kernel from its own source package."""

    interface_version: ClassVar[int] = 5
    distribution: ClassVar[Distribution] = Distribution(
        title="CentOS Stream",
        status="partial",
        limits="tested with a stand-in for the mirror: real dnf, rpm and signatures, Debian's programs in its packages",
        releases=tuple(
            Release(name, KERNEL, (release.identifier, str(release.major)), release.processor)
            for name, release in RELEASES.items()
        ),
        default_release=DEFAULT,
        refused=REFUSED,
        tools=("dnf|dnf4|yum", "rpm", "rpmkeys", "rpmbuild", "rpm2cpio", "cpio", "curl", "gpg", "gpgv"),
        makers=("dnf", "rpm"),
        mirrors_in_tree=False,
        fragments=("centos",),
        packages=BASE_PACKAGES,
        proof="systemd",
    )

    def resolve(self, image: ImageSpec, bench: Workbench, snapshot: str = "") -> Pins:
        """The signed lists as they are now, and what dnf would take from them."""
        name = release_of(image)
        mirror = Mirror.of(image, name, bench, snapshot)
        asked = self.distribution.asked(image)
        repositories = mirror.repositories(bench)
        dnf = Dnf(mirror, repositories, bench)
        with dnf.alone():
            source, *packages = dnf.answer((*asked, mirror.release.package), KERNEL)
        return Pins(
            type=image.build.type,
            release=name,
            snapshot=snapshot,
            asked=asked,
            mirrors=dict(repositories),
            kernel_source=source,
            packages=tuple(packages),
        )

    def fetch_kernel_source(self, image: ImageSpec, pins: Pins, destination: Path, bench: Workbench) -> KernelSource:
        """The source package is checked by its hash and by its signature."""
        ring = keys.keyring(RELEASES[pins.release], image.build.keyring, bench)
        (package,) = fetch([pins.kernel_source], pins, bench.scratch / "pool", ring, bench)
        return kernel_source.unpack(package, pins.kernel_source.version, destination, bench)

    def make_tree(self, image: ImageSpec, pins: Pins, destination: Path, bench: Workbench) -> int:
        """The base set, the image's packages and nothing of the host."""
        release = RELEASES[pins.release]
        return tree.make_tree(release, pins, keys.keyring(release, image.build.keyring, bench), destination, bench)

    def package_kernel(self, kernel: KernelFiles, destination: Path, bench: Workbench) -> None:
        """An RPM, so that rpm owns the kernel's files."""
        kernel_package.package_kernel(kernel, destination, bench)

    def finish_tree(self, image: ImageSpec, tree: Path, kernel_package: Path, bench: Workbench) -> None:
        """Kernel, user, network, first boot, and everything taken out that clones must not share."""
        release = RELEASES[release_of(image)]
        finish.install_kernel(release, tree, kernel_package, bench)
        if image.build.mirror is not None:
            finish.set_repositories(image.build.mirror, keys.keyring(release, image.build.keyring, bench), tree)
        finish.finish_tree(image, tree, bench)


def release_of(image: ImageSpec) -> str:
    """The name of the release that the image asks for."""
    return image.build.release or DEFAULT
