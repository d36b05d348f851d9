"""What an image from outside is, before anything opens it.

A qcow2 can name other files of the host: a backing file, an external data file. QEMU opens those at once, and even
`qemu-img info` opens the second, so the header is read here first.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.run import run

MAGIC = b"QFI\xfb"
HEADER = struct.Struct(">4sIQIIQI")
"""magic, version, backing file offset, backing file size, cluster bits, virtual size, encryption method."""

FEATURES_OFFSET = 72
DIRTY, CORRUPT, EXTERNAL_DATA, COMPRESSION, EXTENDED_L2 = (1 << bit for bit in range(5))
KNOWN_FEATURES = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION | EXTENDED_L2
LARGEST = 2 << 40


@dataclass(frozen=True)
class ImageFacts:
    """An image that may be booted. virtual_size: of the disk, disk_size: of the file, both in bytes."""

    path: Path
    virtual_size: int
    disk_size: int
    compression: str
    snapshots: int


def refusal(header: bytes) -> tuple[str, str] | None:
    """Why a file with this header (its first 104 bytes or more) must not be opened, and the remedy; None if it may."""
    if len(header) < FEATURES_OFFSET or header[:4] != MAGIC:
        return "it is not a qcow2 image", "convert it: qemu-img convert -O qcow2 FILE NEW.qcow2"
    _, version, backing, _, _, size, encryption = HEADER.unpack_from(header)
    features = struct.unpack_from(">Q", header, FEATURES_OFFSET)[0] if version >= 3 and len(header) >= 80 else 0
    checks = (
        (version not in (2, 3), f"its qcow2 version is {version}", "convert it with a newer qemu-img"),
        (backing != 0, "it has a backing file, another file of this machine that it would read",
         "make it whole: qemu-img convert -O qcow2 FILE NEW.qcow2"),
        (encryption != 0, "it is encrypted", "decrypt it with qemu-img convert"),
        (bool(features & EXTERNAL_DATA), "its data is in another file of this machine",
         "make it whole: qemu-img convert -O qcow2 FILE NEW.qcow2"),
        (bool(features & CORRUPT), "it is marked corrupt", "make it again; qemu-img check FILE shows the damage"),
        (bool(features & ~KNOWN_FEATURES), "it uses features that are not known", "convert it with qemu-img"),
        (size == 0 or size > LARGEST, f"its disk has {size} bytes", "use a disk of at most 2 TiB"),
    )  # fmt: skip
    return next(((why, remedy) for wrong, why, remedy in checks if wrong), None)


def inspect_image(path: Path) -> ImageFacts:
    """The facts of a qcow2 image that stands on its own; call this before booting what a user names.

    Raises LabwrightError (config) for anything else, naming the file and the remedy.
    """
    try:
        with path.open("rb") as stream:
            header = stream.read(112)
    except OSError as error:
        raise LabwrightError(
            f"{path} cannot be read ({error.strerror})", cause=Cause.CONFIG, hint="check the path and its permissions"
        ) from error
    if (reason := refusal(header)) is not None:
        raise LabwrightError(f"{path} is refused: {reason[0]}", cause=Cause.CONFIG, hint=reason[1])
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
