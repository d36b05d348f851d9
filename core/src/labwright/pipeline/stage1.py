"""Stage 1: the steps from nothing to a bootable, tested qcow2. The template that every distribution fills in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from labwright.disk.archive import pack, unpack
from labwright.disk.assemble import DiskOptions, assemble
from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Bootstrapper, KernelFiles, Pins, Release, Workbench
from labwright.kernel.build import build_kernel, toolchain
from labwright.kernel.fragments import fragment_files
from labwright.pipeline.steps import Step, code_digest
from labwright.pipeline.store import Stored, file_digest, text_digest
from labwright.spec.image import ImageSpec
from labwright.vm.accelerator import choose_accelerator
from labwright.vm.boot_test import BootPlan, boot_test
from labwright.vm.clones import compare_clones
from labwright.vm.machine import Firmware

KERNEL_VERSION = "1"
"""Raised when the way kernels are compiled changes: everything else that goes in is hashed."""
FIRMWARES: tuple[Firmware, ...] = ("bios", "uefi", "direct")


@dataclass(frozen=True)
class Recipe:
    """What stage 1 needs to know: the image, its driver, its release, what the mirrors give."""

    image: ImageSpec
    driver: Bootstrapper
    release: Release
    pins: Pins


def choose_release(image: ImageSpec, driver: Bootstrapper) -> Release:
    """The release that the image asks for. Raises LabwrightError naming those that there are."""
    facts = driver.distribution
    name = image.build.release or facts.default_release
    release = facts.release(name)
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
        driver.fetch_kernel_source(recipe.image, recipe.pins, output / "linux.tar.xz", bench)

    def kernel(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        tarball = done["kernel-source"].folder / "linux.tar.xz"
        dated = replace(bench, source_date_epoch=int(tarball.stat().st_mtime))
        build_kernel(tarball, fragments, output, dated)

    def package(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        kernel = kernel_files(done["kernel"])
        dated = replace(bench, source_date_epoch=int(kernel.config.stat().st_mtime))
        driver.package_kernel(kernel, output / "kernel.package", dated)

    return (
        Step("kernel-source", "Fetch the kernel's source", source, {"source": recipe.pins.kernel_source}),
        Step(
            "kernel",
            "Compile the kernel",
            kernel,
            {
                "version": KERNEL_VERSION,
                "kernel configuration": text_digest(*(file_digest(path) for path in fragment_files(fragments))),
                "compiler": toolchain(),
            },
            ("kernel-source",),
        ),
        Step("kernel-package", "Package the kernel", package, {"driver": code}, ("kernel",)),
    )


def kernel_files(stored: Stored) -> KernelFiles:
    """The kernel in a step's output."""
    return KernelFiles(stored.folder, (stored.folder / "release").read_text().strip())


def image_steps(recipe: Recipe) -> tuple[Step, ...]:
    """All steps of stage 1."""
    image, driver, build = recipe.image, recipe.driver, recipe.image.build
    code = code_digest(type(driver).__module__.partition(".")[0])

    def tree(output: Path, _: Mapping[str, Stored], bench: Workbench) -> None:
        driver.make_tree(image, recipe.pins, output / "tree.tar", bench)

    def system(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        root = unpack(done["tree"].folder / "tree.tar", bench)
        driver.finish_tree(image, root, done["kernel-package"].folder / "kernel.package", bench)
        pack(root, output / "system.tar", bench)

    def disk(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        root = unpack(done["system"].folder / "system.tar", bench)
        seed = f"{image.slug} {done['system'].digest}"
        assemble(root, output / "disk.qcow2", DiskOptions(seed, build.disk_size, bench.source_date_epoch), bench)

    def proof(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        report = prove(recipe, done["disk"].folder / "disk.qcow2", kernel_files(done["kernel"]), bench)
        (output / "report.json").write_text(json.dumps(report, indent=1, sort_keys=True))

    return (
        *kernel_steps(recipe),
        Step(
            "tree",
            f"Install {driver.distribution.title} {recipe.release.name}",
            tree,
            {
                "driver": code,
                "archive": recipe.pins.archive,
                "release": recipe.release.name,
                "build.bootstrap": build.bootstrap,
                "build.mirror": f"{build.mirror} {build.security_mirror} {build.keyring}",
                "build.packages": " ".join(build.packages),
            },
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
                "password": text_digest("password", image.slug, image.ssh_password.get_secret_value()),
            },
            ("tree", "kernel-package"),
        ),
        Step(
            "disk",
            "Make the disk image",
            disk,
            {"code": code_digest("labwright.disk"), "build.diskSize": str(build.disk_size)},
            ("system",),
        ),
        Step(
            "test",
            "Boot it: BIOS, UEFI, direct kernel, two clones",
            proof,
            {"code": code_digest("labwright.vm"), "proof": driver.distribution.proof},
            ("disk", "kernel"),
        ),
    )


def prove(recipe: Recipe, disk: Path, kernel: KernelFiles, bench: Workbench) -> dict[str, object]:
    """Boot the image with each firmware, then two clones at once. Raises LabwrightError when a check fails."""
    image = recipe.image
    accelerator = choose_accelerator(bench)
    plan = BootPlan(
        user=image.ssh_user,
        password=image.ssh_password.get_secret_value(),
        interfaces=image.network_interfaces,
        proof=recipe.driver.distribution.proof,
        kernel=kernel.vmlinux,
    )
    boots = {}
    for firmware in FIRMWARES:
        bench.say(f"booting with {firmware}")
        boots[firmware] = asdict(boot_test(disk, replace(plan, firmware=firmware), bench, accelerator))
    clones = None
    if recipe.driver.distribution.proof == "systemd":
        bench.say("booting two clones")
        clones = asdict(compare_clones(disk, plan, bench, accelerator))
    return {"accelerator": asdict(accelerator), "boots": boots, "clones": clones}
