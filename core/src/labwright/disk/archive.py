"""A root tree as one tar file, with everything that a file system knows of it."""

from __future__ import annotations

from pathlib import Path

from labwright.interfaces import Workbench

ATTRIBUTES = "security.capability"
"""The extended attributes that packages set. Others, such as SELinux labels and default ACLs, would be the host's."""


def pack(root: Path, archive: Path, bench: Workbench, exclude: tuple[str, ...] = ()) -> None:
    """Pack a tree: sorted, numeric owners, no time later than the source date. exclude: patterns of tar's."""
    bench.run(
        ["tar", "--create", "--file", archive, "--directory", root, "--numeric-owner", "--sort=name",
         "--xattrs", f"--xattrs-include={ATTRIBUTES}", "--format=posix",
         "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
         f"--mtime=@{bench.source_date_epoch}", "--clamp-mtime", *(f"--exclude={pattern}" for pattern in exclude), "."],
        what="packing the tree failed",
    )  # fmt: skip


def unpack(archive: Path, bench: Workbench) -> Path:
    """Unpack a tree that we packed ourselves into the scratch folder, owners and attributes kept."""
    root = bench.scratch / "root"
    root.mkdir()
    bench.run(
        ["tar", "--extract", "--file", archive, "--directory", root, "--numeric-owner", "--same-permissions",
         "--same-owner", "--xattrs", f"--xattrs-include={ATTRIBUTES}"],
        what="unpacking the tree failed",
    )  # fmt: skip
    return root
