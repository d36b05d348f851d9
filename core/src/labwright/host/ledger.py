"""The leak ledger: what a build holds is written down before it is taken and struck out after it is given back.

An entry is one JSON file, written and synced before the acquisition. `labwright clean` undoes the entries of owners
that are no longer alive, and nothing else: a foreign mount or loop device is never looked for.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from labwright.errors import Cause, LabwrightError
from labwright.host.files import beside, sync, write_whole
from labwright.host.interrupts import undisturbed
from labwright.host.teardown import (
    detach_loops,
    end_processes,
    hidden,
    process_start,
    real_place,
    remove_file,
    remove_folder,
    unmount,
)

Kind = Literal["process", "mount", "loop", "file", "folder"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order in which they are undone: a mount goes before the loop device under it, a folder goes last."""


@dataclass(frozen=True)
class Entry:
    """One thing held. what: an absolute path, or for a process the mark in its environment."""

    identity: str
    kind: Kind
    what: str
    owner: int
    owner_start: int
    created: float

    @property
    def owner_alive(self) -> bool:
        """Whether the process that took it still runs; the start time tells a reused process id apart.

        Where others' processes are hidden (hidepid of proc(5)) one that can be signalled counts as alive.
        """
        start = process_start(self.owner)
        return start == self.owner_start or (start == 0 and hidden(self.owner))


@dataclass(frozen=True)
class Cleaned:
    """What was undone, and what would not go; one failure does not stop the rest."""

    undone: tuple[Entry, ...]
    failures: tuple[LabwrightError, ...]


@dataclass(frozen=True)
class Ledger:
    """The folder of entries."""

    folder: Path

    @contextlib.contextmanager
    def hold(self, kind: Kind, what: str | Path) -> Iterator[Entry]:
        """Write the entry, run the body, undo what the entry says, strike it out.

        Raises LabwrightError when the teardown fails: a leak is an error, never a warning.
        """
        entry = None
        try:
            with undisturbed():
                entry = self.write(kind, str(what))
            yield entry
        finally:
            if entry is not None:
                self.release(entry)

    def write(self, kind: Kind, what: str) -> Entry:
        """Write an entry to disk before the thing is taken. A path is resolved now: `clean` runs somewhere else."""
        place = what if kind == "process" else str(real_place(Path(what)))
        me = os.getpid()
        entry = Entry(uuid.uuid4().hex, kind, place, me, process_start(me), time.time())
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(self._file(entry), json.dumps(asdict(entry)))
        return entry

    def strike(self, entry: Entry) -> None:
        """Strike an entry out: the thing is no longer held."""
        self._file(entry).unlink(missing_ok=True)

    @undisturbed()
    def release(self, entry: Entry) -> None:
        """Give the thing back and strike the entry out."""
        undo(entry)
        self.strike(entry)

    def entries(self) -> list[Entry]:
        """All entries, oldest first. Raises LabwrightError naming the first that cannot be read."""
        found, failures = self._read()
        if failures:
            raise failures[0]
        return found

    def abandoned(self) -> list[Entry]:
        """The entries whose owner has died."""
        return [entry for entry in self.entries() if not entry.owner_alive]

    def clean(self, kinds: tuple[Kind, ...] = KINDS) -> Cleaned:
        """Undo what dead owners left, the newest of each kind first."""
        found, failures = self._read()
        left = [entry for entry in found if not entry.owner_alive and entry.kind in kinds]
        undone = []
        for entry in sorted(left, key=lambda entry: (KINDS.index(entry.kind), -entry.created)):
            try:
                self.release(entry)
            except LabwrightError as error:
                failures.append(error)
            except Exception as error:
                # Whatever one entry brings, the others are not to stay for it.
                failures.append(_unexpected(entry, error))
            else:
                undone.append(entry)
        return Cleaned(tuple(undone), tuple(failures))

    def _file(self, entry: Entry) -> Path:
        return self.folder / f"{entry.identity}.json"

    def _read(self) -> tuple[list[Entry], list[LabwrightError]]:
        found, failures = [], []
        for path in sorted(self.folder.glob("*.json")):
            try:
                found.append(parse_entry(path.read_text(encoding="utf-8"), path.stem))
            except FileNotFoundError:
                continue
            except (OSError, ValueError, TypeError, RecursionError) as error:
                failures.append(
                    LabwrightError(
                        f"{path}: this ledger entry cannot be read ({error})",
                        cause=Cause.HOST,
                        hint="look at what it names, undo that by hand, then delete the file",
                    )
                )
        return sorted(found, key=lambda entry: entry.created), failures


def _unexpected(entry: Entry, error: Exception) -> LabwrightError:
    return LabwrightError(
        f"the {entry.kind} {entry.what} cannot be given back: {type(error).__name__}: {error}",
        cause=Cause.HOST,
        hint="undo that by hand, then run: labwright clean",
    )


def copy_whole(source: Path, destination: Path, ledger: Ledger, secret: bool = False) -> None:
    """Put a copy at `destination`, whole or not at all, also when we are killed and `clean` comes after.

    The blocks are shared where the file system can. secret: for its owner's eyes alone. Raises OSError, with nothing
    left beside it.
    """
    partial = beside(destination)
    with ledger.hold("file", partial):
        if secret:
            partial.touch(mode=0o600)
        shutil.copyfile(source, partial)
        sync(partial)
        partial.replace(destination)


def parse_entry(text: str, identity: str) -> Entry:
    """An entry from its file. Raises ValueError or TypeError for anything that `write` would not have written."""
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise TypeError("not an object")
    entry = Entry(**facts)
    if entry.kind not in KINDS:
        raise ValueError(f"unknown kind {entry.kind!r}")
    if entry.identity != identity:
        raise ValueError("its identity is not its file's name")
    if not isinstance(entry.what, str) or (entry.kind != "process" and not entry.what.startswith("/")):
        raise ValueError("it names no absolute path")
    if entry.kind == "process" and not entry.what:
        raise ValueError("it names no process")
    numbers = (entry.owner, entry.owner_start, entry.created)
    if not all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers):
        raise TypeError("owner and times are not numbers")
    return entry


def undo(entry: Entry) -> None:
    """Undo one entry. What is already gone is fine; what will not go raises LabwrightError."""
    if entry.kind == "process":
        end_processes(entry.what)
        return
    ways: dict[Kind, Callable[[Path], None]] = {
        "mount": unmount,
        "loop": detach_loops,
        "file": remove_file,
        "folder": remove_folder,
    }
    ways[entry.kind](Path(entry.what))
