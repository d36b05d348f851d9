"""The outputs of a build, put where the user wants them."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path

from labwright import __version__
from labwright.disk.manifest import FILES
from labwright.errors import os_error
from labwright.host.files import write_whole
from labwright.host.ledger import copy_whole
from labwright.pipeline.stage1 import Recipe, epoch_of, kernel_files
from labwright.pipeline.store import Stored
from labwright.pipeline.workshop import Workshop


@dataclass(frozen=True)
class Built:
    """What a build left in the output folder. files: the list of everything in the image."""

    image: Path
    report: Path
    kernel: Path
    files: Path


def deliver(recipe: Recipe, done: dict[str, Stored], out: Path, locked: bool, workshop: Workshop) -> Built:
    """Put image, kernel, list of files and report in the output folder. The report comes last: it vouches for the rest.

    Raises Damaged when a stored output is not what it was when it was published.
    """
    slug = recipe.image.slug
    built = Built(out / f"{slug}.qcow2", out / f"{slug}.json", out / f"{slug}-kernel", out / f"{slug}.mtree")
    deliver_kernel(done, built.kernel, workshop)
    _put(done["disk"], "disk.qcow2", built.image, workshop)
    _put(done["system"], FILES, built.files, workshop)
    workshop.store.check_file(done["test"], "report.json")
    workshop.store.check_file(done["system"], "epoch")
    report = _report(recipe, done, locked)
    if not built.report.is_file() or built.report.read_text() != report:
        write_whole(built.report, report)
    return built


def deliver_kernel(done: dict[str, Stored], place: Path, workshop: Workshop) -> None:
    """Put the kernel's files and its package in a folder. Raises Damaged, and LabwrightError (disk full, host)."""
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise os_error(error, f"{place} cannot be made") from error
    for name in ("bzImage", "vmlinux", "config", "modules.tar", "release"):
        _put(done["kernel"], name, place / name, workshop)
    _put(done["kernel-package"], "kernel.package", place / "kernel.package", workshop)


def _put(stored: Stored, name: str, place: Path, workshop: Workshop) -> None:
    if workshop.store.holds(stored, name, place):
        return
    workshop.store.check_file(stored, name)
    try:
        copy_whole(stored.folder / name, place, workshop.ledger)
    except OSError as error:
        raise os_error(error, f"{place} cannot be written") from error


def _report(recipe: Recipe, done: dict[str, Stored], locked: bool) -> str:
    """What is known of the image, as JSON. No secret is in it: the name of the user, not the password."""
    disk = done["disk"]
    proof = json.loads((done["test"].folder / "report.json").read_text())
    facts = {
        "labwright": __version__,
        "image": recipe.image.slug,
        "type": recipe.image.build.type,
        "release": recipe.release.name,
        "kernel": kernel_files(done["kernel"]).release,
        "user": recipe.image.ssh_user,
        "interfaces": ["eth0", *recipe.image.network_interfaces],
        "sha256": disk.files["disk.qcow2"]["sha256"],
        "bytes": disk.files["disk.qcow2"]["size"],
        "source_date_epoch": epoch_of(done["system"]),
        "locked": locked,
        "host": platform.machine(),
        "steps": {
            name: {
                "key": stored.key,
                "digest": stored.digest,
                "inputs": stored.inputs,
                "seconds": round(stored.seconds, 2),
                "disk": stored.disk,
                "memory": stored.memory,
            }
            for name, stored in done.items()
        },
        "pins": json.loads(recipe.pins.text()),
        "tests": proof,
    }
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"
