"""The leak ledger: what a build holds is written down before it is taken and struck out after it is given back.

An entry is one JSON file, written and synced before the acquisition. `labwright clean` undoes the entries of owners
that are no longer alive, and nothing else: a foreign mount or loop device is never looked for.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from labwright.errors import Cause, LabwrightError

Kind = Literal["folder", "file", "mount", "loop", "process"]
LEDGER_VARIABLE = "LABWRIGHT_LEDGER"
"""Set in the environment of every child: how `clean` recognises a process as ours after its owner has died."""


@dataclass(frozen=True)
class Entry:
    """One thing held. what: a path, or for a process the mark in its environment."""

    identity: str
    kind: Kind
    what: str
    owner: int
    owner_start: int
    created: float

    @property
    def owner_alive(self) -> bool:
        """Whether the process that took it still runs; the start time tells a reused process id apart."""
        return process_start(self.owner) == self.owner_start


def process_start(process: int) -> int:
    """The start time of a process in clock ticks since boot (proc(5), field 22); 0 where there is no such process."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])


@dataclass(frozen=True)
class Ledger:
    """The folder of entries."""

    folder: Path

    @contextlib.contextmanager
    def hold(self, kind: Kind, what: str | Path) -> Iterator[Entry]:
        """Write the entry, run the body, undo what the entry says, strike it out.

        Raises LabwrightError when the teardown fails: a leak is an error, never a warning.
        """
        entry = self.write(kind, str(what))
        try:
            yield entry
        finally:
            self.release(entry)

    def write(self, kind: Kind, what: str) -> Entry:
        """Write an entry to disk before the thing is taken."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        me = os.getpid()
        entry = Entry(uuid.uuid4().hex, kind, what, me, process_start(me), time.time())
        path = self.folder / f"{entry.identity}.json"
        partial = path.with_suffix(".partial")
        with partial.open("w") as stream:
            json.dump(asdict(entry), stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.rename(path)
        return entry

    def strike(self, entry: Entry) -> None:
        """Strike an entry out: the thing is no longer held."""
        (self.folder / f"{entry.identity}.json").unlink(missing_ok=True)

    def release(self, entry: Entry) -> None:
        """Give the thing back and strike the entry out."""
        undo(entry)
        self.strike(entry)

    def entries(self) -> list[Entry]:
        """All entries, oldest first; one that cannot be read is an error that names the file."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                found.append(Entry(**json.loads(path.read_text())))
            except FileNotFoundError:
                continue
            except (ValueError, TypeError) as error:
                raise LabwrightError(
                    f"{path}: this ledger entry cannot be read ({error})",
                    cause=Cause.HOST,
                    hint="look at what it names, undo that by hand, then delete the file",
                ) from error
        return sorted(found, key=lambda entry: entry.created)

    def abandoned(self) -> list[Entry]:
        """The entries whose owner has died."""
        return [entry for entry in self.entries() if not entry.owner_alive]

    def clean(self) -> list[Entry]:
        """Undo what dead owners left, the newest first, and return those entries."""
        order: dict[str, int] = {"process": 0, "mount": 1, "loop": 2, "file": 3, "folder": 4}
        left = sorted(self.abandoned(), key=lambda entry: (order[entry.kind], -entry.created))
        for entry in left:
            self.release(entry)
        return left


def undo(entry: Entry) -> None:
    """Undo one entry. What is already gone is fine; what will not go raises LabwrightError."""
    if entry.kind == "process":
        end_processes(entry.what)
    elif entry.kind == "mount":
        if is_mounted(entry.what):
            _teardown(["umount", "--", entry.what])
    elif entry.kind == "loop":
        for device in _loop_devices(entry.what):
            _teardown(["losetup", "--detach", device])
    elif entry.kind == "file":
        Path(entry.what).unlink(missing_ok=True)
    else:
        remove_folder(Path(entry.what))


def is_mounted(path: str) -> bool:
    """Whether something is mounted on exactly this path, in our mount namespace."""
    return path in mount_points()


def mount_points() -> list[str]:
    """Every mount point of our mount namespace, decoded (proc(5), mountinfo)."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4].encode().decode("unicode_escape") for line in lines]


def remove_folder(folder: Path) -> None:
    """Remove a folder of ours, and refuse while anything is mounted in it."""
    inside = [point for point in mount_points() if point == str(folder) or point.startswith(f"{folder}/")]
    if inside:
        raise LabwrightError(
            f"{folder} still has {inside[-1]} mounted in it, so it was not removed",
            cause=Cause.HOST,
            hint=f"find who uses it (fuser -vm {inside[-1]}), unmount it, then run: labwright clean",
        )
    if not folder.is_symlink() and folder.exists():
        _make_removable(folder)
        shutil.rmtree(folder)


def _make_removable(folder: Path) -> None:
    """A tree may hold folders without write permission; an ordinary user could not remove what is in them."""
    if os.geteuid() == 0:
        return
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o700)


def marked_processes(mark: str) -> list[int]:
    """The processes whose environment holds our mark."""
    needle = f"{LEDGER_VARIABLE}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if needle in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def end_processes(mark: str, patience: float = 5.0) -> None:
    """End every process with our mark: SIGTERM, then SIGKILL after `patience` seconds."""
    deadline = time.monotonic() + patience
    wanted = signal.SIGTERM
    while processes := marked_processes(mark):
        if time.monotonic() > deadline + patience:
            raise LabwrightError(
                f"processes {processes} do not end",
                cause=Cause.HOST,
                hint="they wait in the kernel (a dead disk or network mount?): labwright clean once they are gone",
            )
        if time.monotonic() > deadline:
            wanted = signal.SIGKILL
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, wanted)
        time.sleep(0.05)


def _loop_devices(backing_file: str) -> list[str]:
    result = subprocess.run(
        ["losetup", "--noheadings", "--output", "NAME", "--associated", backing_file],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.split()


def _teardown(argv: list[str]) -> None:
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise LabwrightError(
            f"teardown failed: {' '.join(argv)}",
            cause=Cause.HOST,
            details=result.stderr.splitlines()[-5:],
            hint="mend what it names, then run: labwright clean",
        )
