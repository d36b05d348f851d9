"""Fail now rather than at the last step: tools, rights, space, memory, checks of the image's description."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.hooks import LintFinding
from labwright.host.environment import find_any
from labwright.host.processor import processor_level
from labwright.host.usage import available_memory, free_space, nearest
from labwright.interfaces import Bootstrapper, Hardware, Release
from labwright.pipeline.steps import MEGABYTE, Estimate, Planned, estimate
from labwright.pipeline.workshop import Workshop
from labwright.plugins import calls
from labwright.spec.image import ImageSpec
from labwright.vm.machine import find_ovmf

CORE_TOOLS = (
    "unshare", "setpriv", "tar", "make", "gcc", "flex", "bison", "bc", "sfdisk", "mke2fs", "grub-mkimage", "mcopy",
    "mkfs.vfat", "openssl", "patch", "qemu-img", "qemu-system-x86_64",
)  # fmt: skip
PROVISION_TOOLS = (
    "unshare", "setpriv", "prlimit", "sfdisk", "blkid", "debugfs", "e2fsck", "mdir", "qemu-img", "qemu-system-x86_64",
)  # fmt: skip
CONFIG_TOOLS = {"iso": ("genisoimage|xorrisofs",), "fat": ("mkfs.vfat", "mcopy")}
"""What makes a disk with files for a device's first start, by its format."""
NOBODY = 65534
DELIVERED = ("disk", "base", "customize", "device", "snapshot", "kernel", "kernel-package")
"""The steps whose outputs are copied to the output folder."""


def check_host(bootstrap: tuple[Bootstrapper, Release] | None, workshop: Workshop, out: Path | None) -> None:
    """Tools, processor and folders. bootstrap: None where a disk is provisioned and nothing bootstrapped."""
    for tools in (*CORE_TOOLS, *bootstrap[0].distribution.tools) if bootstrap else PROVISION_TOOLS:
        find_any(tools.split("|"))
    if bootstrap:
        check_processor(bootstrap[1], processor_level())
    workshop.paths.ensure()
    owners_can_be_set(workshop.paths.root)
    if out is not None:
        writable(out)


def check_hardware(hardware: Hardware) -> None:
    """Raise LabwrightError (host) for what a device's hardware needs and this host lacks."""
    for machine in hardware.machines:
        if machine.firmware == "uefi":
            find_ovmf()
        for tools in CONFIG_TOOLS[machine.config.format] if machine.config else ():
            find_any(tools.split("|"))


def check_processor(release: Release, level: int) -> None:
    """Raise LabwrightError (host) where this host cannot run the release's programs. level: the host's."""
    if release.processor > level:
        raise LabwrightError(
            f"{release.name} is compiled for processors of the level x86-64-v{release.processor}, and this host's is "
            f"x86-64-v{level}: scripts of its packages would crash here",
            cause=Cause.HOST,
            hint="build it on a newer machine, or choose an older release with build.release; in a virtual machine "
            "give it the host's own processor (QEMU: -cpu host)",
        )


def owners_can_be_set(folder: Path) -> None:
    """Try it: some file systems, NFS above all, refuse the owners that a tree needs. Raises LabwrightError (host)."""
    probe = folder / f".owner-{uuid.uuid4().hex[:8]}"
    try:
        probe.touch()
        os.chown(probe, NOBODY, NOBODY)
    except OSError as error:
        raise LabwrightError(
            f"in {folder} files cannot be given to another owner: {error.strerror}",
            cause=Cause.HOST,
            hint="set LABWRIGHT_CACHE to a folder on a disk of this machine",
        ) from error
    finally:
        probe.unlink(missing_ok=True)


def writable(out: Path) -> None:
    """Make the output folder and try to write in it."""
    probe = out / f".labwright-{uuid.uuid4().hex[:8]}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LabwrightError(
            f"the output folder {out} cannot be written: {error.strerror}",
            cause=Cause.CONFIG,
            hint="choose another with --out, or mend its owner and mode",
        ) from error


def check_room(planned: Sequence[Planned], workshop: Workshop, out: Path | None) -> Estimate:
    """Refuse what cannot end well, by what the steps took here the last time. Raises LabwrightError."""
    wanted = estimate(planned)
    guess = "" if wanted.known else ", a guess since it has not run here yet"
    delivered = sum(step.output for step in planned if step.step.name in DELIVERED and step.runs) if out else 0
    root = workshop.paths.root
    same = out is not None and nearest(out).stat().st_dev == nearest(root).stat().st_dev
    _check_disk(root, wanted.disk + (delivered if same else 0), f"what is still to be done{guess}",
                "LABWRIGHT_CACHE to a folder")  # fmt: skip
    if out is not None and not same:
        _check_disk(out, delivered, "the image and its kernel", "--out to a folder")
    free = available_memory()
    if wanted.memory > free:
        raise LabwrightError(
            f"{free // MEGABYTE} MB of memory are available, and the step {wanted.hungriest} takes "
            f"{wanted.memory // MEGABYTE} MB at its peak{guess}",
            cause=Cause.MEMORY,
            hint="end other programs, or give this machine or its container more memory or swap; --force starts anyway",
        )
    return wanted


def _check_disk(folder: Path, wanted: int, purpose: str, setting: str) -> None:
    free = free_space(folder)
    if wanted > free:
        raise LabwrightError(
            f"{folder} has {free // MEGABYTE} MB free, and {purpose} takes {wanted // MEGABYTE} MB at its peak",
            cause=Cause.DISK_FULL,
            hint=f"free some space (labwright cache prune --to 1G), or set {setting} on a larger disk; --force starts "
            "anyway",
        )


def lint(spec: ImageSpec, workshop: Workshop) -> list[LintFinding]:
    """What the installed checks think of the image. Raises LabwrightError at an error."""
    findings = calls.lint(workshop.hooks, spec)
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        raise LabwrightError(
            f"{spec.slug}: {errors[0].message}",
            cause=Cause.CONFIG,
            hint=errors[0].remedy,
            details=[finding.message for finding in errors[1:]],
        )
    return findings
