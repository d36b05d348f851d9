"""Where a command is to write, looked at before its work begins: in the user's words, not in those of an open()."""

from __future__ import annotations

import os
from pathlib import Path

from labwright.errors import Cause, LabwrightError

A_FILE, A_FOLDER = "name a file in a folder that is there", "name a folder, or where one can be made"


def file_place(path: Path, option: str) -> Path:
    """A file to write or to replace. option: that named it. Raises LabwrightError (config) where it cannot be."""
    if path.is_dir() or path.name in {"", ".."}:
        raise _refused(path, option, "it is a folder", A_FILE)
    _check_folder(path, path.parent, option, A_FILE)
    return path


def folder_place(path: Path, option: str) -> Path:
    """A folder to write in, which may have to be made first. Raises LabwrightError (config) where it cannot be."""
    there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    _check_folder(path, there, option, A_FOLDER)
    return path


def _check_folder(path: Path, folder: Path, option: str, remedy: str) -> None:
    if not folder.exists():
        raise _refused(path, option, f"there is no folder {folder}", remedy)
    if not folder.is_dir():
        raise _refused(path, option, f"{folder} is no folder", remedy)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _refused(path, option, f"you may not write in {folder}", remedy)


def _refused(path: Path, option: str, why: str, remedy: str) -> LabwrightError:
    return LabwrightError(f"{option} {path}: {why}", cause=Cause.CONFIG, hint=remedy)
