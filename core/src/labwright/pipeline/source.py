"""The disk image that a build starts from: which one it is."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from labwright.errors import Cause, LabwrightError, os_error
from labwright.host.files import file_digest, write_whole
from labwright.pipeline.workshop import Workshop
from labwright.spec.image import ImageSpec


def source_digest(spec: ImageSpec, workshop: Workshop) -> str:
    """The sha256 of the disk image, remembered while the file is the same. Raises LabwrightError where it is another.

    An image's folder has no hash before the image is made: words stand for it in a plan.
    """
    path = Path(spec.build.source or "")
    if path.is_dir():
        return f"the image in {path.name}, which is made first"
    digest = remembered_digest(path, workshop)
    if spec.build.sha256 is not None and spec.build.sha256 != digest:
        raise LabwrightError(
            f"build.from: {path} is not the file that build.sha256 vouches for: its hash is {digest}",
            cause=Cause.SIGNATURE,
            hint="download it again; if it is meant to be another one now, look where that comes from, then mend "
            "build.sha256",
        )
    return digest


def remembered_digest(path: Path, workshop: Workshop) -> str:
    """The sha256 of a disk image. Raises LabwrightError (host) where it cannot be read.

    A file counts as the same by its inode, size and both times of change: nobody sets ctime.
    """
    memory = workshop.paths.root / "sources" / f"{hashlib.sha256(os.fsencode(path)).hexdigest()}.json"
    try:
        facts = path.stat()
        seen = [facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]
        digest = _remembered(memory, seen)
        if digest is None:
            digest = file_digest(path)
            memory.parent.mkdir(parents=True, exist_ok=True)
            write_whole(memory, json.dumps({"file": seen, "sha256": digest}))
    except OSError as error:
        raise os_error(error, f"{path} cannot be read") from error
    return digest


def _remembered(memory: Path, seen: list[int]) -> str | None:
    try:
        found = json.loads(memory.read_text())
        return str(found["sha256"]) if found["file"] == seen else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
