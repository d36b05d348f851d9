"""Stage 1: the steps from nothing to a bootable, tested qcow2. The template that every distribution fills in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labwright.disk.archive import pack, unpack
from labwright.disk.assemble import DiskOptions, assemble
from labwright.disk.manifest import FILES, describe
from labwright.errors import Cause, LabwrightError
from labwright.host.environment import version_of
from labwright.host.files import file_digest
from labwright.interfaces import Bootstrapper, KernelFiles, Pins, Release, Workbench
from labwright.kernel.build import build_kernel, toolchain
from labwright.kernel.fragments import fragment_files
from labwright.kernel.source import pack_configuration
from labwright.pipeline.steps import Needs, Step, code_digest
from labwright.pipeline.store import Stored, text_digest
from labwright.spec.image import DEFAULT_DISK, ImageSpec

PACKAGES = "packages.json"
EXTRA_VERSION = "extra-version"
CONFIGURATION = "configuration.tar"
"""What pack_configuration() makes."""
SOURCE_VERSION, KERNEL_VERSION = "2", "2"
"""Raised when kernel sources are laid out, or kernels compiled, in another way: all else that goes in is hashed."""
DISK_TOOLS = (
    ("sfdisk",), ("mke2fs", "-V"), ("grub-mkimage",), ("mcopy",), ("qemu-img",),
)  # fmt: skip
TREE_CODE = code_digest("labwright.disk.archive", "labwright.disk.manifest", "labwright.finish")


@dataclass(frozen=True)
class Recipe:
    """What stage 1 needs to know. epoch: SOURCE_DATE_EPOCH where the user sets it, else 0."""

    image: ImageSpec
    driver: Bootstrapper
    release: Release
    pins: Pins
    epoch: int = 0


def choose_release(image: ImageSpec, driver: Bootstrapper) -> Release:
    """The release that the image asks for. Raises LabwrightError naming those that there are."""
    facts = driver.distribution
    name = image.build.release or facts.default_release
    release = facts.release(name)
    if name in facts.refused:
        raise LabwrightError(
            f"{facts.title} {name} cannot be made: {facts.refused[name]}",
            cause=Cause.CONFIG,
            hint=f"set build.release to one of: {', '.join(release.name for release in facts.releases)}",
        )
    if release is None:
        known = ", ".join(release.name for release in facts.releases)
        raise LabwrightError(
            f"{facts.title} has no release {name!r} that labwright can make",
            cause=Cause.CONFIG,
            hint=f"set build.release to one of: {known}",
        )
    return release


def kernel_steps(recipe: Recipe) -> tuple[Step, ...]:
    """From the distribution's own kernel source to a kernel and its package."""
    driver, fragments = recipe.driver, recipe.driver.distribution.fragments
    code = code_digest(type(driver).__module__.partition(".")[0])

    def source(output: Path, _: Mapping[str, Stored], bench: Workbench) -> None:
        found = driver.fetch_kernel_source(recipe.image, recipe.pins, output, bench)
        write_epoch(output, found.date)
        (output / EXTRA_VERSION).write_text(found.extra_version)

    def kernel(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        epoch = recipe.epoch or epoch_of(done["kernel-source"])
        dated = replace(bench, source_date_epoch=epoch)
        folder = done["kernel-source"].folder
        build_kernel(folder, (folder / EXTRA_VERSION).read_text(), fragments, output, dated)
        write_epoch(output, epoch)

    def package(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        dated = replace(bench, source_date_epoch=epoch_of(done["kernel"]))
        driver.package_kernel(kernel_files(done["kernel"]), output / "kernel.package", dated)

    pinned = recipe.pins.kernel_source
    return (
        Step(
            "kernel-source",
            "Fetch the kernel's source",
            source,
            {"source": f"{pinned.name} {pinned.version} {pinned.sha256}", "version": SOURCE_VERSION},
            needs=Needs(disk=600, memory=200, seconds=30),
        ),
        Step(
            "kernel",
            "Compile the kernel",
            kernel,
            {
                "version": KERNEL_VERSION,
                "kernel configuration": text_digest(*(file_digest(path) for path in fragment_files(fragments))),
                "compiler": toolchain(),
                "SOURCE_DATE_EPOCH": str(recipe.epoch),
            },
            ("kernel-source",),
            Needs(disk=2500, memory=1200, seconds=600),
        ),
        Step(
            "kernel-package",
            "Package the kernel",
            package,
            {"driver": code, "code": code_digest("labwright.kernel.files"), "tools": makers(driver)},
            ("kernel",),
            Needs(100, 100, 10),
        ),
    )


def configuration_steps(recipe: Recipe) -> tuple[Step, ...]:
    """The distribution's kernel source, and what a configuration and its review read of it.

    Only people who look at a configuration need that, again and again: to unpack a whole source takes half a minute.
    """

    def configuration(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        pack_configuration(done["kernel-source"].folder, output / CONFIGURATION, bench)

    return (
        kernel_steps(recipe)[0],
        Step(
            "kernel-configuration",
            "Unpack the kernel's configuration",
            configuration,
            {"code": code_digest("labwright.kernel.source")},
            ("kernel-source",),
            Needs(disk=100, memory=200, seconds=30),
        ),
    )


def makers(driver: Bootstrapper) -> str:
    """The versions of the tools that make a distribution's trees and packages."""
    return ", ".join(version_of(tool) for tool in driver.distribution.makers)


def package_facts(pins: Pins) -> list[list[str]]:
    """Name, version and hash of each package of a tree: what its key is made of, and no more."""
    return [[one.name, one.version, one.sha256] for one in pins.packages]


def write_epoch(output: Path, epoch: int) -> None:
    """Keep the date of an output's time stamps beside it."""
    (output / "epoch").write_text(f"{epoch}\n")


def epoch_of(stored: Stored) -> int:
    """The date of an output's time stamps in seconds since 1970."""
    return int((stored.folder / "epoch").read_text())


def kernel_files(stored: Stored) -> KernelFiles:
    """The kernel in a step's output."""
    return KernelFiles(stored.folder, (stored.folder / "release").read_text().strip())


def image_steps(recipe: Recipe, rootfs: Step | None = None) -> tuple[Step, ...]:
    """The steps of stage 1, up to the disk image. rootfs: the step that makes the tree in another way."""
    image, driver, build = recipe.image, recipe.driver, recipe.image.build
    size = build.disk_size or DEFAULT_DISK
    mirrors = " ".join(f"{role}={url}" for role, url in sorted(recipe.pins.mirrors.items()))
    keyring = file_digest(Path(build.keyring)) if build.keyring and Path(build.keyring).is_file() else ""
    code = code_digest(type(driver).__module__.partition(".")[0])

    def tree(output: Path, _: Mapping[str, Stored], bench: Workbench) -> None:
        dated = replace(bench, source_date_epoch=recipe.epoch)
        write_epoch(output, driver.make_tree(image, recipe.pins, output / "tree.tar", dated))
        (output / PACKAGES).write_text(json.dumps(package_facts(recipe.pins), indent=1) + "\n")

    def system(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        dated = replace(bench, source_date_epoch=epoch_of(done["tree"]))
        root = unpack(done["tree"].folder / "tree.tar", dated)
        driver.finish_tree(image, root, done["kernel-package"].folder / "kernel.package", dated)
        pack(root, output / "system.tar", dated)
        write_epoch(output, dated.source_date_epoch)
        (output / FILES).write_text(describe(output / "system.tar"))

    def disk(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        dated = replace(bench, source_date_epoch=epoch_of(done["system"]))
        root = unpack(done["system"].folder / "system.tar", dated)
        seed = f"{image.slug} {done['system'].digest}"
        assemble(root, output / "disk.qcow2", DiskOptions(seed, size, dated.source_date_epoch), dated)

    return (
        *kernel_steps(recipe),
        rootfs
        or Step(
            "tree",
            f"Install {driver.distribution.title} {recipe.release.name}",
            tree,
            {
                "driver": code,
                "packages": text_digest(*map(" ".join, package_facts(recipe.pins))),
                "packages asked for": " ".join(recipe.pins.asked),
                "release": recipe.release.name,
                "mirrors": mirrors if driver.distribution.mirrors_in_tree else "",
                "build.keyring": keyring,
                "build.bootstrap": build.bootstrap,
                "tools": f"{version_of('tar')}, {makers(driver)}",
                "snapshot": str(bool(recipe.pins.snapshot)),
                "code": TREE_CODE,
                "SOURCE_DATE_EPOCH": str(recipe.epoch),
            },
            needs=Needs(disk=900, memory=300, seconds=60),
        ),
        Step(
            "system",
            "Configure the system",
            system,
            {
                "driver": code,
                "slug": image.slug,
                "networkInterfaces": " ".join(image.network_interfaces),
                "enableForwarding": str(image.enable_forwarding),
                "user": image.ssh_user,
                "password": password_digest(image),
                "build.mirror": build.mirror or "",
                "build.keyring": keyring,
                "tools": f"{version_of('openssl')}, {makers(driver)}",
                "code": TREE_CODE,
            },
            ("tree", "kernel-package"),
            Needs(disk=900, memory=300, seconds=30),
        ),
        Step(
            "disk",
            "Make the disk image",
            disk,
            {
                "code": code_digest("labwright.disk"),
                "build.diskSize": str(size),
                "tools": ", ".join(version_of(*tool) for tool in DISK_TOOLS),
            },
            ("system",),
            Needs(disk=900, memory=400, seconds=15),
        ),
    )


def password_digest(image: ImageSpec) -> str:
    """Stands for the password in a key."""
    return secret_digest(image, image.ssh_password.get_secret_value().encode())


def secret_digest(image: ImageSpec, secret: bytes) -> str:
    """Stands for a secret in a key, which manifests and reports show: slow to try guesses against (RFC 7914)."""
    return hashlib.scrypt(secret, salt=f"labwright {image.slug}".encode(), n=2**14, r=8, p=1, dklen=32).hex()
