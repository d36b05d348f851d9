"""Keeps the cache below a size: what was used longest ago goes, and nothing that is used now."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.files import beside
from labwright.host.ledger import Ledger
from labwright.host.locks import IN_USE, take
from labwright.pipeline.store import MANIFEST
from labwright.pipeline.workshop import Workshop

DEFAULT_LIMIT = 20 * 10**9
VARIABLE = "LABWRIGHT_CACHE_SIZE"
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class Item:
    """Something that may go. used: when it was last used, in seconds since 1970. remove: says whether it went."""

    name: str
    size: int
    used: float
    remove: Callable[[], bool]


@dataclass(frozen=True)
class Pruned:
    """What went, what could not since a build uses it, and how much is left, in bytes."""

    removed: tuple[str, ...]
    in_use: tuple[str, ...]
    freed: int
    left: int


def parse_size(text: str) -> int:
    """Bytes from a number with an optional K, M, G or T, in powers of 1000. Raises LabwrightError (config)."""
    found = re.fullmatch(r"([0-9]{1,15})([KMGT]?)B?", text.strip().upper())
    if found is None:
        raise LabwrightError(f"{text!r} is not a size", cause=Cause.CONFIG, hint="write it as 500M or 20G; 0: no limit")
    return int(found[1]) * UNITS[found[2]]


def limit() -> int:
    """LABWRIGHT_CACHE_SIZE in bytes, by default 20 GB; 0 means no limit."""
    given = os.environ.get(VARIABLE)
    return parse_size(given) if given else DEFAULT_LIMIT


def prune(workshop: Workshop, size: int | None = None) -> Pruned:
    """Remove what was used longest ago, until the rest is below `size` in bytes."""
    most = limit() if size is None else size
    items = sorted(
        (*_outputs(workshop), *_packages(workshop), *_lists(workshop), *_snapshots(workshop)),
        key=lambda item: item.used,
    )
    left, freed = sum(item.size for item in items), 0
    removed: list[str] = []
    in_use: list[str] = []
    if size is None and most == 0:
        return Pruned((), (), 0, left)
    for item in items:
        if left <= most:
            break
        if item.remove():
            removed.append(item.name)
            freed += item.size
            left -= item.size
        else:
            in_use.append(item.name)
    return Pruned(tuple(removed), tuple(in_use), freed, left)


def _outputs(workshop: Workshop) -> Iterator[Item]:
    store = workshop.store
    for stored in store.outputs():
        # Another build may remove it while we look.
        with contextlib.suppress(FileNotFoundError):
            used = (stored.folder / MANIFEST).stat().st_mtime
            name = f"{stored.step}/{stored.key}"
            yield Item(name, stored.size, used, functools.partial(store.remove_unused, stored))


def _packages(workshop: Workshop) -> Iterator[Item]:
    folder = workshop.paths.downloads / "packages"
    for path in folder.glob("*"):
        if path.name != IN_USE:
            with contextlib.suppress(FileNotFoundError):
                facts = path.stat()
                yield Item(f"packages/{path.name}", facts.st_size, facts.st_mtime, functools.partial(_remove, path))


def _lists(workshop: Workshop) -> Iterator[Item]:
    """What package managers keep of each mirror: a folder of its own, with a lock in it."""
    for lock in workshop.paths.downloads.glob(f"[!.]*/{IN_USE}"):
        folder = lock.parent
        if folder.name != "packages":
            with contextlib.suppress(FileNotFoundError):
                facts = [path.lstat() for path in (folder, *folder.rglob("*"))]
                size, used = sum(one.st_size for one in facts), max(one.st_ctime for one in facts)
                remove = functools.partial(_remove_folder, folder, lock, workshop.ledger)
                yield Item(f"lists/{folder.name}", size, used, remove)


def _snapshots(workshop: Workshop) -> Iterator[Item]:
    """Of booted images, which lessons resume; whoever does that holds the lock in it."""
    for folder in (workshop.paths.root / "snapshots").glob("[!.]*"):
        with contextlib.suppress(FileNotFoundError):
            # A base may be a link to an image that is counted elsewhere.
            size = sum(path.stat().st_size for path in folder.iterdir() if path.stat().st_nlink == 1)
            # Beside it, as labwright.lesson.snapshot has it.
            lock = folder.with_name(f".{folder.name}.in-use")
            used = (lock if lock.exists() else folder).stat().st_mtime
            remove = functools.partial(_remove_folder, folder, lock, workshop.ledger)
            yield Item(f"snapshots/{folder.name}", size, used, remove)


def _remove_folder(folder: Path, lock: Path, ledger: Ledger) -> bool:
    """lock: in the folder, or beside it; then it goes too."""
    held = take(lock, fcntl.LOCK_EX, wait=False)
    if held is None:
        return False
    with held:
        grave = beside(folder)
        # Renamed first: who wants the folder meanwhile makes a new one, and is not in the way. Another prune may have
        # taken it before we had the lock.
        with ledger.hold("folder", grave), contextlib.suppress(FileNotFoundError):
            folder.rename(grave)
        if lock.parent != folder:
            lock.unlink()
    return True


def _remove(path: Path) -> bool:
    lock = take(path.parent / IN_USE, fcntl.LOCK_EX, wait=False)
    if lock is None:
        return False
    with lock:
        path.unlink(missing_ok=True)
    return True
