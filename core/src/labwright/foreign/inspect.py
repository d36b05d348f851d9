"""What a qcow2 that is to be booted is, before anything opens it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.foreign import qcow2
from labwright.foreign.model import in_words
from labwright.foreign.reader import opened
from labwright.host.run import run

LARGEST = 2 << 40


@dataclass(frozen=True)
class ImageFacts:
    """An image that may be booted. virtual_size: of the disk, disk_size: of the file, both in bytes."""

    path: Path
    virtual_size: int
    disk_size: int
    compression: str
    snapshots: int


def inspect_image(path: Path) -> ImageFacts:
    """The facts of a qcow2 image that stands on its own; call this before booting what a user names.

    Raises LabwrightError (config) for anything else, naming the file and the remedy.
    """
    with opened(path) as reader:
        header = qcow2.read_header(reader)
        if header.virtual_size > LARGEST:
            raise reader.refuse(f"its disk has {in_words(header.virtual_size)}", "use a disk of at most 2 TiB")
        qcow2.check_tables(reader, header)
    done = run(
        # An absolute path: one with a colon in it would be taken for a protocol.
        ["qemu-img", "info", "--output=json", "-f", "qcow2", f"file:{path.absolute()}"],
        timeout=30,
        what=f"{path} cannot be inspected",
        cause=Cause.CONFIG,
        hint="the file is damaged: download or make it again",
    )
    return _facts(path, done.output)


def _facts(path: Path, text: str) -> ImageFacts:
    try:
        info = json.loads(text)
        special = info.get("format-specific", {}).get("data", {})
        facts = ImageFacts(
            path,
            int(info["virtual-size"]),
            int(info["actual-size"]),
            str(special.get("compression-type", "zlib")),
            len(info.get("snapshots", ())),
        )
        whole = "backing-filename" not in info and "data-file" not in special and info["format"] == "qcow2"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabwrightError(
            f"{path}: what qemu-img says of it is not understood", cause=Cause.HOST, hint="is qemu-img a current one?"
        ) from error
    if not whole:
        raise LabwrightError(
            f"{path} is refused: it names other files of this machine",
            cause=Cause.CONFIG,
            hint="make it whole: qemu-img convert -O qcow2 FILE NEW.qcow2",
        )
    return facts
