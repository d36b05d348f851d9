"""A raw disk made larger, with its root: for images whose file system is full."""

from __future__ import annotations

from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.guest.content import SECTOR, find_root, read_content
from labwright.interfaces import Workbench

GIB = 2**30


def grow(disk: Path, size: int, wanted: int | None, bench: Workbench) -> None:
    """Make a disk `size` GiB, and an ext root that is its last partition as large as that allows.

    Other roots grow in the guest, where its own tools do it. Raises LabwrightError (config) where it is larger already.
    """
    have = disk.stat().st_size
    if size * GIB < have:
        raise LabwrightError(
            f"build.diskSize is {size} GiB, and the disk in build.from has {have / GIB:.1f}",
            cause=Cause.CONFIG,
            hint="a disk is made larger, never smaller: leave build.diskSize out, or raise it",
        )
    with disk.open("r+b") as stream:
        stream.truncate(size * GIB)
    content = read_content(disk, bench)
    if content.lvm or not all(part.filesystem.startswith("ext") for part in content.candidates):
        return
    root = find_root(content, wanted, bench)
    if root.offset != max(part.offset for part in content.parts) or not root.filesystem.startswith("ext"):
        return
    if root.number:
        bench.run(
            ["sfdisk", "--no-reread", "--no-tell-kernel", "--partno", str(root.number), disk], stdin=", +\n",
            what="the partition of the root cannot be made larger",
        )  # fmt: skip
    grown = next(part for part in read_content(disk, bench).parts if part.offset == root.offset)
    place = f"{disk}?offset={grown.offset}"
    bench.run(["e2fsck", "-f", "-p", place], accept=(0, 1), what="the root's file system is damaged", timeout=600)
    bench.run(
        ["resize2fs", place, f"{grown.size // SECTOR}s"],
        what="the root's file system cannot be made larger",
        timeout=600,
    )
