"""The store: outputs of steps, found by the hash of what went in, published by one rename."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from labwright.errors import Cause, LabwrightError
from labwright.host.files import file_digest, has_content, sync
from labwright.host.ledger import Ledger
from labwright.host.locks import take
from labwright.host.teardown import remove_folder

MANIFEST = "manifest.json"
RECENT = 5
"""Outputs of a step that are looked at for what it costs; images differ, so one alone says little."""
WAIT = 0.2
"""Seconds between two looks at an output that another build is making."""


@dataclass(frozen=True)
class Stored:
    """The published output of a step. digest: of the names and contents of its files.

    disk, memory: what making it took at its peak, in bytes; 0 where that was not measured.
    """

    step: str
    key: str
    folder: Path
    digest: str
    files: dict[str, dict[str, Any]]
    inputs: dict[str, str]
    seconds: float
    created: float
    disk: int = 0
    memory: int = 0

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(int(facts["size"]) for facts in self.files.values())


class Damaged(LabwrightError):
    """A stored output no longer has the hash that was written down: it has to go, and be made anew."""

    def __init__(self, stored: Stored) -> None:
        super().__init__(
            f"the stored output of the step {stored.step} is damaged",
            cause=Cause.HOST,
            hint="run the same command again: only that step is made anew. Check this machine's disk and memory",
        )
        self.stored = stored


def text_digest(*parts: str) -> str:
    """The sha256 of some texts, each with its length so that they cannot run into each other."""
    joined = hashlib.sha256()
    for part in parts:
        data = part.encode()
        joined.update(f"{len(data)}:".encode())
        joined.update(data)
    return joined.hexdigest()


@dataclass(frozen=True)
class Store:
    """A folder of published outputs: <step>/<key>/, each with a manifest."""

    root: Path
    ledger: Ledger

    def find(self, step: str, key: str) -> Stored | None:
        """The published output, or None. One whose files are missing or of another size is dropped."""
        folder = self.root / step / key
        stored = _read(folder)
        if stored is None or all(_same_size(folder / name, facts) for name, facts in stored.files.items()):
            return stored
        self.remove(stored)
        return None

    def newest(self, step: str) -> Stored | None:
        """The output of this step that was published last, whatever its key: what it cost last time."""
        return max(self.outputs(step), key=lambda stored: stored.created, default=None)

    def costliest(self, step: str) -> Stored | None:
        """Of the last outputs of this step the one that took longest: what to expect of the next one."""
        return max(self.outputs(step)[-RECENT:], key=lambda stored: stored.seconds, default=None)

    def outputs(self, step: str = "*") -> list[Stored]:
        """All published outputs, oldest first."""
        steps = _folders(self.root) if step == "*" else [self.root / step]
        found = (_read(folder) for place in steps for folder in _folders(place))
        return sorted((stored for stored in found if stored), key=lambda stored: stored.created)

    def damaged(self) -> list[Stored]:
        """The outputs whose content no longer has the hash that was written down. Reads everything."""
        return [stored for stored in self.outputs() if not self.intact(stored)]

    def intact(self, stored: Stored) -> bool:
        """Whether every file still has its hash."""
        return all(self.holds(stored, name, stored.folder / name) for name in stored.files)

    def holds(self, stored: Stored, name: str, place: Path) -> bool:
        """Whether the file at `place` is what was published as `name`."""
        facts = stored.files[name]
        return has_content(place, facts["size"], facts["sha256"])

    def check_file(self, stored: Stored, name: str) -> None:
        """Raise Damaged unless one of its files still has its hash."""
        if not self.holds(stored, name, stored.folder / name):
            raise Damaged(stored)

    def check(self, stored: Stored) -> None:
        """Raise Damaged unless every file still has its hash."""
        if not self.intact(stored):
            raise Damaged(stored)

    def remove(self, stored: Stored) -> None:
        """Take an output away, whole: renamed first, so that nobody finds a half of it."""
        grave = self.root / f".removed-{uuid.uuid4().hex}"
        with self.ledger.hold("folder", grave), contextlib.suppress(FileNotFoundError):
            stored.folder.rename(grave)

    def remove_damaged(self, stored: Stored) -> bool:
        """Take an output away if it is still damaged: another build may have made it anew. Says whether it went."""
        now = _read(stored.folder)
        if now is None or self.intact(now):
            return False
        self.remove(now)
        return True

    def remove_unused(self, stored: Stored) -> bool:
        """Take an output away unless a build has it in use; says whether it went."""
        path = self._lock_file(stored.step, stored.key)
        lock = take(path, fcntl.LOCK_EX, wait=False)
        if lock is None:
            return False
        with lock:
            self.remove(stored)
            path.unlink()
        return True

    def obtain(
        self, step: str, key: str, make: Callable[[], Stored], waiting: Callable[[], None] = lambda: None
    ) -> tuple[Stored, bool, IO[bytes]]:
        """The output, made if it is not there, and whether it was there; it is ours to read until the lock is closed.

        Of several builds that want the same output one makes it, and the others wait for that one.
        """
        path, told, made = self._lock_file(step, key), False, False
        while True:
            using = take(path, fcntl.LOCK_SH, wait=False)
            if using is not None:
                if found := self.find(step, key):
                    with contextlib.suppress(FileNotFoundError):
                        os.utime(found.folder / MANIFEST)
                    return found, not made, using
                using.close()
                making = take(path, fcntl.LOCK_EX, wait=False)
                if making is not None:
                    with making:
                        if self.find(step, key) is None:
                            make()
                            made = True
                    # From the top: no lock turns from making to using without a moment in which somebody removes it.
                    continue
            if not told:
                told = True
                waiting()
            time.sleep(WAIT)

    def _lock_file(self, step: str, key: str) -> Path:
        return self.root / ".locks" / f"{step}-{key}"

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Path]:
        """A folder in the store's file system to make an output in; it is gone afterwards, published or not."""
        folder = self.root / f".incoming-{uuid.uuid4().hex}"
        with self.ledger.hold("folder", folder):
            folder.mkdir(parents=True)
            yield folder

    def publish(
        self,
        step: str,
        key: str,
        incoming: Path,
        inputs: dict[str, str],
        seconds: float,
        disk: int = 0,
        memory: int = 0,
    ) -> Stored:
        """Put what is in `incoming` in its place by one rename."""
        names = sorted(path.relative_to(incoming).as_posix() for path in incoming.rglob("*") if path.is_file())
        files = {name: _facts(incoming / name) for name in names}
        digest = text_digest(*(f"{name} {facts['sha256']}" for name, facts in files.items()))
        manifest = {"step": step, "key": key, "digest": digest, "files": files, "inputs": inputs,
                    "seconds": seconds, "created": time.time(), "disk": disk, "memory": memory}  # fmt: skip
        (incoming / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))
        _sync(incoming)
        place = self.root / step / key
        place.parent.mkdir(parents=True, exist_ok=True)
        if (left := _read(place)) is not None:
            self.remove(left)
        elif place.exists():
            remove_folder(place)
        incoming.rename(place)
        sync(place.parent)
        stored = _read(place)
        if stored is None:
            raise LabwrightError(f"{place} vanished while it was published", cause=Cause.HOST, hint="build again")
        return stored


def _folders(place: Path) -> list[Path]:
    """The folders in a folder, without the hidden ones: other builds make and remove those while we look."""
    try:
        return sorted(path for path in place.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _facts(path: Path) -> dict[str, Any]:
    return {"sha256": file_digest(path), "size": path.stat().st_size}


def _same_size(path: Path, facts: dict[str, Any]) -> bool:
    try:
        return bool(path.stat().st_size == facts["size"])
    except OSError:
        return False


def _read(folder: Path) -> Stored | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return Stored(folder=folder, **manifest)
    except (OSError, ValueError, TypeError):
        return None


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            sync(path)
    sync(folder)
