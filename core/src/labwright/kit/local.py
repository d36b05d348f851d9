"""Files of the lesson, on the side where the script runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from labwright.errors import Cause
from labwright.kit.errors import KitError

PATTERN = frozenset("*?[")


def lesson_folders() -> tuple[Path, ...]:
    """Where relative names are looked for: beside the script that runs, then in the lesson."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    beside = [Path(script).resolve().parent] if script else []
    return (*beside, Path(os.environ.get("LABWRIGHT_LESSON", "/antidote")))


def find(name: str | Path, folders: Sequence[Path]) -> Path:
    """A file or folder. Raises KitError that names the places tried."""
    tried = [folder / name for folder in folders] if not Path(name).is_absolute() else [Path(name)]
    for place in tried:
        if _is_there(place):
            return place
    raise KitError(
        f"there is no file {name}",
        cause=Cause.CONFIG,
        details=[f"looked for {place}" for place in tried],
        hint="names are relative to the script's own folder, then to the lesson's",
    )


def find_all(name: str | Path, folders: Sequence[Path]) -> tuple[Path, ...]:
    """The files that a name or a pattern (hub/*.conf) means, sorted. Raises KitError where there are none."""
    literal = any(_is_there(folder / name) for folder in folders)
    if literal or not PATTERN & set(str(name)) or Path(name).is_absolute():
        return (find(name, folders),)
    for folder in folders:
        try:
            found = sorted(path for path in folder.glob(str(name)) if path.is_file())
        except (ValueError, NotImplementedError, OSError) as error:
            raise KitError(f"{name} is no pattern: {error}", cause=Cause.CONFIG) from None
        if found:
            return tuple(found)
    raise KitError(
        f"no file fits {name}", cause=Cause.CONFIG, details=[f"looked in {folder}" for folder in folders],
        hint="patterns are relative to the script's own folder, then to the lesson's",
    )  # fmt: skip


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    # A name that is too long, a folder that may not be read.
    except (OSError, ValueError):
        return False


def read(path: Path) -> bytes:
    """A file's content. Raises KitError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise KitError(f"{path} cannot be read: {error.strerror}", cause=Cause.CONFIG) from None
