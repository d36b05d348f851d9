"""Files of ours in a tree that is not; and what must not be in it: traces of a build, identities of one machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from labwright.host.trees import folder_inside, inside

TRACES = (
    "etc/machine-id", "var/lib/dbus/machine-id", "etc/ssh/ssh_host_*", "etc/hostname", "etc/resolv.conf",
    "var/lib/systemd/random-seed", "var/lib/systemd/credential.secret", "var/lib/systemd/timesync/clock",
    "var/cache/ldconfig/*", "var/tmp/*", "tmp/*", "run/*", "root/.*_history", "etc/*-", "etc/.pwd.lock",
)  # fmt: skip
"""Patterns of what every distribution leaves."""


def write(tree: Path, name: str, text: str, mode: int = 0o644) -> None:
    """Write a file of the image; a link that a package left there is replaced, not followed out of the tree."""
    path = inside(tree, tree / name)
    path.unlink(missing_ok=True)
    path.write_text(text, errors="surrogateescape")
    path.chmod(mode)
    os.chown(path, 0, 0)


def copy_files(folder: Path, tree: Path, words: Mapping[str, str]) -> None:
    """Copy files to their places in the tree, executable where they are here. words: what stands for what in them."""
    for source in sorted(folder.rglob("*")):
        if not source.is_file() or source.suffix == ".pyc":
            continue
        name = source.relative_to(folder)
        folder_inside(tree, (tree / name).parent)
        text = source.read_text()
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        write(tree, str(name), text, 0o755 if os.access(source, os.X_OK) else 0o644)


def remove_traces(tree: Path, patterns: Iterable[str]) -> None:
    """Take out what identifies one machine or one build, and what only fills the disk. patterns: beside TRACES."""
    for pattern in (*TRACES, *patterns):
        # glob() does not find a link to nothing, so what has no wildcard is named outright.
        for path in sorted(tree.glob(pattern), reverse=True) if "*" in pattern else [tree / pattern]:
            remove(inside(tree, path))
    for path in inside(tree, tree / "var/log/any").parent.rglob("*"):
        if path.is_symlink() or path.is_file():
            path.unlink()


def remove(path: Path) -> None:
    """Remove one file or folder, never what a link points at."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)
