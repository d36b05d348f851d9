"""The file systems in the image, filled without a mount, a loop device or root.

The same tree and seed give the same bytes: identifiers come from the seed and no time stamp is later than the epoch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from labwright.disk.layout import Layout, identifier
from labwright.errors import Cause
from labwright.interfaces import Workbench

BLOCK = 4096
BYTES_PER_INODE = 16384
"""131072 inodes on 2 GiB: a minimal system uses 10000, and a lesson may unpack a source tree."""

JOURNAL_MIB = 16

FEATURES = (
    "none", "has_journal", "ext_attr", "resize_inode", "dir_index", "filetype", "extent", "64bit", "flex_bg",
    "sparse_super", "large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum",
)  # fmt: skip
"""Named one by one, so that the host's mke2fs.conf has no say. orphan_file and metadata_csum_seed are left out: GRUB
2.06 refuses a file system with the second, kernels before 5.15 one with the first."""

FAT_EPOCH = 315532800
"""1980-01-01: FAT knows no earlier time."""


def root_uuid(seed: str) -> str:
    """The UUID of the root file system in the image with this seed."""
    return str(identifier(seed, "root file system"))


def clamp_times(tree: Path, epoch: int) -> None:
    """Set every modification time in the tree that is later than `epoch` (seconds since 1970) to it."""
    for path in _everything(tree):
        if path.lstat().st_mtime > epoch:
            os.utime(path, (epoch, epoch), follow_symlinks=False)


def _everything(tree: Path) -> Iterator[Path]:
    yield tree
    for parent, folders, files in os.walk(tree):
        yield from (Path(parent, name) for name in (*folders, *files))


def make_root(tree: Path, raw: Path, layout: Layout, seed: str, epoch: int, bench: Workbench) -> None:
    """Make the ext4 root in the disk `raw` and fill it with `tree`. Raises LabwrightError (host, config, disk full)."""
    clamp_times(tree, epoch)
    extended = (
        f"offset={layout.root.offset},hash_seed={identifier(seed, 'hash seed')},root_owner=0:0,"
        # Lazy initialisation would leave the guest work in its first minutes, and its default depends on the host.
        "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    )
    bench.run(
        ["mke2fs", "-q", "-F", "-t", "ext4", "-O", ",".join(FEATURES), "-b", BLOCK, "-I", 256, "-m", 1,
         "-i", BYTES_PER_INODE, "-J", f"size={JOURNAL_MIB}", "-L", "root", "-U", root_uuid(seed), "-E", extended,
         "-d", tree, raw, f"{layout.root.size // 1024}k"],
        env={"MKE2FS_CONFIG": "/dev/null", "E2FSPROGS_FAKE_TIME": str(epoch), "SOURCE_DATE_EPOCH": str(epoch)},
        timeout=900,
        what="filling the root file system failed",
        hint="does the tree fit on the disk? build.diskSize sets its size in GiB",
        cause=Cause.CONFIG,
    )  # fmt: skip
    _forget_change_times(raw, layout, epoch, bench)


def _forget_change_times(raw: Path, layout: Layout, epoch: int, bench: Workbench) -> None:
    """Set the access and change times of every inode to `epoch`.

    mke2fs before 1.47.1 copies them from the tree, where no program can set a change time: two unpackings of one
    archive would give two images. debugfs also keeps the inode checksums right.
    """
    device = f"{raw}?offset={layout.root.offset}"
    shown = bench.run(["dumpe2fs", device], timeout=120, what="reading the new root file system failed").output
    lines = [
        f"set_inode_field <{inode}> {field} @{epoch}" for inode in used_inodes(shown) for field in ("atime", "ctime")
    ]
    commands = bench.scratch / "times.debugfs"
    commands.write_text("\n".join([*lines, ""]))
    bench.run(
        ["debugfs", "-w", "-f", commands, device],
        env={"E2FSPROGS_FAKE_TIME": str(epoch), "SOURCE_DATE_EPOCH": str(epoch)},
        timeout=300,
        what="setting the times in the root file system failed",
    )


def used_inodes(dumpe2fs: str) -> list[int]:
    """The inodes that hold a file, from what dumpe2fs prints: the root (2) and those from 11 that no group has free."""
    count = re.search(r"^Inode count:\s+(\d+)", dumpe2fs, re.MULTILINE)
    free: set[int] = set()
    for line in re.findall(r"^  Free inodes: (.+)$", dumpe2fs, re.MULTILINE):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", line):
            free.update(range(int(first), int(last or first) + 1))
    total = int(count[1]) if count else 0
    return [inode for inode in (2, *range(11, total + 1)) if inode <= total and inode not in free]


def make_esp(loader: Path, raw: Path, layout: Layout, seed: str, epoch: int, bench: Workbench) -> None:
    """Make the EFI system partition with `loader` as the default boot loader. Raises LabwrightError (host)."""
    # mkfs.vfat cannot make a file system smaller than the file it is in, so the ESP starts as a file of its own.
    esp = bench.scratch / "esp.img"
    esp.unlink(missing_ok=True)
    with esp.open("wb") as stream:
        stream.truncate(layout.esp.size)
    when = max(epoch, FAT_EPOCH)
    os.utime(loader, (when, when))
    volume = identifier(seed, "esp").hex[:8]
    times = {"SOURCE_DATE_EPOCH": str(when), "MTOOLS_SKIP_CHECK": "1", "MTOOLSRC": "/dev/null"}
    for argv in (
        ["mkfs.vfat", "--invariant", "-F", "16", "-s", "4", "-i", volume, "-n", "ESP", esp],
        ["mmd", "-i", esp, "::/EFI", "::/EFI/BOOT"],
        ["mcopy", "-m", "-i", esp, loader, "::/EFI/BOOT/BOOTX64.EFI"],
    ):
        bench.run(argv, env=times, timeout=60, what="making the EFI system partition failed")
    _copy_sparse(esp, raw, layout.esp.offset)


def _copy_sparse(source: Path, raw: Path, offset: int) -> None:
    """Copy a small file into the disk at `offset` bytes; blocks of zeros stay holes."""
    with source.open("rb") as reader, raw.open("r+b") as writer:
        position = offset
        while block := reader.read(BLOCK):
            if any(block):
                writer.seek(position)
                writer.write(block)
            position += len(block)
