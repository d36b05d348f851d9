"""Small disks with the report that a build would have written: nothing boots in them, and no build made them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from labwright.interfaces import Workbench
from labwright.publish.delivered import read_delivered
from labwright.publish.kinds import KINDS
from labwright.publish.publish import Published, PublishOptions, publish
from labwright.registry.reference import parse_reference
from support.registry import access

EPOCH = 1_790_000_000


def made_up_qcow2(place: Path, content: bytes, megabytes: int = 8) -> Path:
    """A qcow2 with these bytes at its beginning."""
    raw = place.with_suffix(".raw")
    with raw.open("wb") as stream:
        stream.write(content)
        stream.truncate(megabytes << 20)
    words = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd"]
    subprocess.run([*words, raw, place], check=True)
    raw.unlink()
    return place


def made_up_image(folder: Path, slug: str = "leaf", content: bytes = b"", **facts: Any) -> Path:
    """<slug>.qcow2 with a report, a list of files and a kernel's files beside it.

    content: of the disk, by default another each time. facts: put into the report; None takes one out. `disks`: names
    of further disks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    image = made_up_qcow2(folder / f"{slug}.qcow2", content or os.urandom(3 << 20))
    (folder / f"{slug}.mtree").write_text("#mtree\n./etc type=dir\n")
    kernel = folder / f"{slug}-kernel"
    kernel.mkdir(exist_ok=True)
    for name in ("bzImage", "config", "release"):
        (kernel / name).write_bytes(f"{slug}: {name}, made up".encode())
    disks = {}
    for name in facts.pop("disks", ()):
        disks[name] = said_of(made_up_qcow2(folder / f"{slug}-{name}.qcow2", os.urandom(1 << 20)))
    report = {
        "labwright": "0.1.0", "image": slug, "type": "debian", "release": "bookworm", "kernel": "6.1.0-made-up",
        "visibility": "public", "private": [], "source_date_epoch": EPOCH, "locked": False, "host": "x86_64",
        "packages": [["bash", "5.2.15-2+b7"]], "disks": disks, **said_of(image), **facts,
    }  # fmt: skip
    image.with_suffix(".json").write_text(
        json.dumps({name: value for name, value in report.items() if value is not None}, indent=1, sort_keys=True)
    )
    return image


def said_of(path: Path) -> dict[str, Any]:
    """What a report says of a disk."""
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}


def published(image: Path, reference: str, kind: str, bench: Workbench, **options: Any) -> Published:
    """Publish it, without a workshop."""
    settings = PublishOptions(**{"access": access()} | options)
    return publish(read_delivered(image), parse_reference(reference), KINDS[kind], settings, bench)


def signing_key(folder: Path, name: str = "signing") -> tuple[str, Path]:
    """A key by openssl: how the private half is named, and the file of the public one."""
    key, public = folder / f"{name}.key", folder / f"{name}.pub"
    key.touch(mode=0o600)
    words = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key]
    subprocess.run(words, check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
    return f"file:{key}", public
