"""Paths of a tree that is not ours: what this host does in it by name must not lead out of it."""

from __future__ import annotations

from pathlib import Path

from labwright.errors import Cause, LabwrightError


def inside(tree: Path, path: Path) -> Path:
    """The path itself, below `tree`, where no link on the way to it leads elsewhere; the last part may be a link.

    Only while nothing of the tree runs. Raises LabwrightError (guest) naming the folder that leads out.
    """
    parent = path.parent
    if not parent.resolve().is_relative_to(tree.resolve()):
        raise LabwrightError(
            f"in the root file system /{parent.relative_to(tree)} leads out of it",
            cause=Cause.GUEST,
            hint="make that link a relative one, or a folder; a tree that does this by itself is not to be trusted",
        )
    return path


def folder_inside(tree: Path, path: Path) -> Path:
    """The folder `path` below `tree`, made with those above it where they are not there. Raises as `inside`."""
    if path == tree:
        return path
    folder_inside(tree, path.parent)
    inside(tree, path / "any" if path.exists() else path)
    path.mkdir(exist_ok=True)
    return path
