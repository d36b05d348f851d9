"""A root tree to a qcow2 that boots with BIOS and with UEFI: no root, no loop device, no mount, no VM."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from labwright.disk.filesystem import make_esp, make_root, root_uuid
from labwright.disk.grub import (
    embed_bios_loader,
    grub_configuration,
    make_bios_loader,
    make_efi_loader,
)
from labwright.disk.layout import plan_layout, write_table
from labwright.disk.qcow2 import to_small_qcow2
from labwright.errors import Cause, LabwrightError, os_error
from labwright.host.ledger import copy_whole
from labwright.interfaces import Workbench

MAXIMUM_LINKS = 8


@dataclass(frozen=True)
class DiskOptions:
    """seed: what every identifier is made from. size_gib: the disk. epoch: the latest time, seconds since 1970."""

    seed: str
    size_gib: int
    epoch: int


def assemble(tree: Path, destination: Path, options: DiskOptions, bench: Workbench) -> None:
    """Make the disk image of a tree at `destination`; the same tree and options give the same bytes.

    The tree needs /boot/vmlinuz and /sbin/init; it gets /boot/grub/grub.cfg, and modification times later than the
    epoch are set to it. Raises LabwrightError (config, host, disk full); then `destination` is as it was.
    """
    check_tree(tree)
    layout = plan_layout(options.seed, options.size_gib)
    filesystem = root_uuid(options.seed)
    raw, image = bench.scratch / "disk.raw", bench.scratch / "disk.qcow2"
    _write_configuration(tree, grub_configuration(layout, filesystem), options.epoch)
    write_table(layout, raw, bench)
    make_root(tree, raw, layout, options.seed, options.epoch, bench)
    embed_bios_loader(make_bios_loader(filesystem, bench), raw, layout)
    make_esp(make_efi_loader(filesystem, bench), raw, layout, options.seed, options.epoch, bench)
    to_small_qcow2(raw, image, bench)
    raw.unlink()
    _put(image, destination, bench)


def check_tree(tree: Path) -> None:
    """Raise LabwrightError (config) unless the tree holds a kernel and an init, by paths that stay inside it."""
    for path, meaning, hint in (
        ("boot/vmlinuz", "kernel", "the driver's finish_tree has to install the kernel package"),
        ("sbin/init", "init", "add the package of an init system, such as systemd-sysv"),
    ):
        found = resolve_inside(tree, path)
        if found is None or not stat.S_ISREG(found.lstat().st_mode):
            raise LabwrightError(f"{tree}: the tree has no {meaning} at /{path}", cause=Cause.CONFIG, hint=hint)
    for path in ("boot", "boot/grub", "boot/grub/grub.cfg"):
        if (tree / path).is_symlink():
            raise LabwrightError(
                f"{tree}: /{path} is a symbolic link, and the boot loader's files would be written through it",
                cause=Cause.CONFIG,
                hint="make it a folder (or a file) of its own",
            )


def resolve_inside(tree: Path, path: str) -> Path | None:
    """What `path` leads to when the tree is the root folder: the kernel of the guest follows links there, ours not.

    None where there is nothing or where links go round in circles.
    """
    links = 0
    todo = [part for part in path.split("/") if part]
    done: list[str] = []
    while todo:
        part = todo.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            done = done[:-1]
            continue
        here = tree.joinpath(*done, part)
        if here.is_symlink():
            links += 1
            if links > MAXIMUM_LINKS:
                return None
            target = str(here.readlink())
            done = [] if target.startswith("/") else done
            todo = [*target.split("/"), *todo]
        elif here.exists():
            done.append(part)
        else:
            return None
    return tree.joinpath(*done)


def _write_configuration(tree: Path, text: str, epoch: int) -> None:
    folder = tree / "boot" / "grub"
    folder.mkdir(mode=0o755, exist_ok=True)
    path = folder / "grub.cfg"
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o644)
    for touched in (path, folder, folder.parent):
        os.utime(touched, (epoch, epoch))


def _put(image: Path, destination: Path, bench: Workbench) -> None:
    """Move the finished image into place in one step; scratch may be another file system, where rename cannot."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        image.replace(destination)
    except OSError:
        _copy_then_remove(image, destination, bench)


def _copy_then_remove(image: Path, destination: Path, bench: Workbench) -> None:
    try:
        copy_whole(image, destination, bench.ledger)
    except OSError as error:
        raise os_error(error, f"{destination} could not be written") from error
    image.unlink()
