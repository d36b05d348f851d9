"""The store: outputs of steps, found by the hash of what went in, published by one rename."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labwright.errors import Cause, LabwrightError
from labwright.host.files import sync
from labwright.host.ledger import Ledger
from labwright.host.teardown import remove_folder

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Stored:
    """The published output of a step. digest: of the names and contents of its files."""

    step: str
    key: str
    folder: Path
    digest: str
    files: dict[str, dict[str, Any]]
    inputs: dict[str, str]
    seconds: float
    created: float

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(int(facts["size"]) for facts in self.files.values())


def file_digest(path: Path) -> str:
    """The sha256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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

    def outputs(self, step: str = "*") -> list[Stored]:
        """All published outputs, oldest first."""
        found = (_read(path.parent) for path in self.root.glob(f"{step}/*/{MANIFEST}"))
        return sorted((stored for stored in found if stored), key=lambda stored: stored.created)

    def damaged(self) -> list[Stored]:
        """The outputs whose content no longer has the hash that was written down. Reads everything."""
        return [stored for stored in self.outputs() if not self.intact(stored)]

    def intact(self, stored: Stored) -> bool:
        """Whether every file still has its hash."""
        return all(
            _same_size(stored.folder / name, facts) and file_digest(stored.folder / name) == facts["sha256"]
            for name, facts in stored.files.items()
        )

    def remove(self, stored: Stored) -> None:
        """Take an output away, whole: renamed first, so that nobody finds a half of it."""
        grave = self.root / f".removed-{uuid.uuid4().hex}"
        with self.ledger.hold("folder", grave), contextlib.suppress(FileNotFoundError):
            stored.folder.rename(grave)

    @contextlib.contextmanager
    def lock(self, step: str, key: str) -> Iterator[None]:
        """Hold the right to make this output; a second build of the same thing waits here."""
        folder = self.root / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{step}-{key}").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Path]:
        """A folder in the store's file system to make an output in; it is gone afterwards, published or not."""
        folder = self.root / f".incoming-{uuid.uuid4().hex}"
        with self.ledger.hold("folder", folder):
            folder.mkdir(parents=True)
            yield folder

    def publish(self, step: str, key: str, incoming: Path, inputs: dict[str, str], seconds: float) -> Stored:
        """Put what is in `incoming` in its place by one rename."""
        names = sorted(path.relative_to(incoming).as_posix() for path in incoming.rglob("*") if path.is_file())
        files = {name: _facts(incoming / name) for name in names}
        digest = text_digest(*(f"{name} {facts['sha256']}" for name, facts in files.items()))
        manifest = {"step": step, "key": key, "digest": digest, "files": files, "inputs": inputs,
                    "seconds": seconds, "created": time.time()}  # fmt: skip
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
