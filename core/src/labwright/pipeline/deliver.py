"""The outputs of a build, put where the user wants them."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labwright import __version__
from labwright.disk.manifest import FILES
from labwright.errors import os_error
from labwright.host.files import has_content, write_whole
from labwright.host.ledger import copy_whole
from labwright.interfaces import Hardware
from labwright.kernel.config import parse_config
from labwright.kernel.review import load_catalogue, review
from labwright.pipeline.base import Privacy
from labwright.pipeline.device import other_disk
from labwright.pipeline.proof import DISK, FACTS
from labwright.pipeline.stage1 import Recipe, epoch_of, kernel_files
from labwright.pipeline.steps import Step, key_of
from labwright.pipeline.store import Stored
from labwright.pipeline.workshop import Workshop
from labwright.spec.image import ImageSpec

KERNEL = ("bzImage", "vmlinux", "config", "modules.tar", "release")
PACKAGE = "kernel.package"
KEYS = {"sha256": "sha256", "bytes": "size"}
"""What a report says of a further disk, and what the store calls it."""


@dataclass(frozen=True)
class Course:
    """The steps of a build. disk: the one whose output holds the finished image. hardware: of a device's.

    privacy: whom the finished image is for.
    """

    steps: tuple[Step, ...]
    disk: str
    hardware: Hardware | None = None
    privacy: Privacy = field(default_factory=Privacy)

    @property
    def private(self) -> bool:
        """Whether the image holds a secret."""
        return any(step.private for step in self.steps)


@dataclass(frozen=True)
class Built:
    """What a build left in the output folder. files: the list of everything in the image.

    kernel, files: None for an image of stage 2 that was not made from nothing, or is not only that. more: the other
    disks of a device, by their names. hardware: that it runs in.
    """

    image: Path
    report: Path
    kernel: Path | None = None
    files: Path | None = None
    more: Mapping[str, Path] = field(default_factory=dict)
    hardware: Hardware | None = None


def places(spec: ImageSpec, course: Course, out: Path) -> Built:
    """Where the outputs of a build go."""
    slug, names = spec.slug, {step.name for step in course.steps}
    return Built(
        out / f"{slug}.qcow2",
        out / f"{slug}.json",
        out / f"{slug}-kernel" if "kernel" in names else None,
        out / f"{slug}.mtree" if course.disk == "disk" else None,
        {name: out / f"{slug}-{name}.qcow2" for name in course.hardware.more_disks} if course.hardware else {},
        course.hardware,
    )


def deliver(
    spec: ImageSpec,
    recipe: Recipe | None,
    course: Course,
    done: dict[str, Stored],
    out: Path,
    locked: bool,
    workshop: Workshop,
) -> Built:
    """Put image, kernel, list of files and report in the output folder. The report comes last: it vouches for the rest.

    Raises Damaged when a stored output is not what it was when it was published.
    """
    built = places(spec, course, out)
    if built.kernel:
        deliver_kernel(done, built.kernel, workshop)
    _put(done[course.disk], DISK, built.image, workshop, secret=course.private)
    for name, place in built.more.items():
        _put(done[course.disk], other_disk(name), place, workshop, secret=course.private)
    if built.files:
        _put(done["system"], FILES, built.files, workshop)
    workshop.store.check_file(done["test"], "report.json")
    _write_report(built, _report(spec, recipe, course, done, locked, workshop) | beside_disks(built, done))
    return built


def _write_report(built: Built, facts: Mapping[str, object]) -> None:
    text = json.dumps(facts, indent=1, sort_keys=True) + "\n"
    if not built.report.is_file() or built.report.read_text() != text:
        write_whole(built.report, text)


def unchanged(course: Course, spec: ImageSpec, out: Path, workshop: Workshop) -> Built | None:
    """What an earlier build delivered, where this one would deliver the same; only asked of builds with a secret.

    Their image is in no store, so what the last build left in the output folder stands for it. None for anything else.
    """
    if not course.private:
        return None
    built = places(spec, course, out)
    try:
        report = json.loads(built.report.read_text())
        delivered = report["steps"]
        same = has_content(built.image, int(report["bytes"]), str(report["sha256"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    done: dict[str, str] = {}
    for step in course.steps:
        ingredients = dict(step.options) | {f"step {name}": done.get(name, "") for name in step.inputs}
        key = key_of(step, ingredients)
        last = delivered.get(step.name, {})
        if last.get("key") != key or not (step.private or workshop.store.find(step.name, key)):
            return None
        done[step.name] = str(last.get("digest"))
    kept = all(path is None or path.exists() for path in (built.kernel, built.files))
    others = report.get("disks", {})
    more = all(_is(place, others.get(name)) for name, place in built.more.items())
    if not (same and kept and more):
        return None
    # What the image is for can change while nothing that goes into it does.
    _write_report(built, report | course.privacy.facts())
    return built


def _is(place: Path, facts: object) -> bool:
    """Whether a delivered disk is the one that its report describes."""
    return isinstance(facts, dict) and has_content(place, int(facts.get("bytes", -1)), str(facts.get("sha256")))


def deliver_kernel(done: dict[str, Stored], place: Path, workshop: Workshop) -> None:
    """Put the kernel's files and its package in a folder. Raises Damaged, and LabwrightError (disk full, host)."""
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise os_error(error, f"{place} cannot be made") from error
    for name in KERNEL:
        _put(done["kernel"], name, place / name, workshop)
    _put(done["kernel-package"], PACKAGE, place / PACKAGE, workshop)


def _put(stored: Stored, name: str, place: Path, workshop: Workshop, secret: bool = False) -> None:
    if workshop.store.holds(stored, name, place):
        return
    workshop.store.check_file(stored, name)
    try:
        copy_whole(stored.folder / name, place, workshop.ledger, secret)
    except OSError as error:
        raise os_error(error, f"{place} cannot be written") from error


def _report(
    spec: ImageSpec,
    recipe: Recipe | None,
    course: Course,
    done: dict[str, Stored],
    locked: bool,
    workshop: Workshop,
) -> dict[str, object]:
    """What is known of the image. No secret is in it: the name of the user, not the password."""
    image = done[course.disk].files[DISK]
    proof = json.loads((done["test"].folder / "report.json").read_text())
    facts: dict[str, object] = {
        "labwright": __version__,
        "image": spec.slug,
        "type": spec.build.type,
        "user": spec.ssh_user,
        "interfaces": ["management" if course.hardware else "eth0", *spec.network_interfaces],
        "sha256": image["sha256"],
        "bytes": image["size"],
        "ours": recipe is not None,
        "memory": min(boot["memory"] for boot in proof["boots"].values()),
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
        "tests": proof,
        **course.privacy.facts(),
    }
    if recipe is not None:
        workshop.store.check_file(done["system"], "epoch")
        facts |= {
            "release": recipe.release.name,
            "kernel": kernel_files(done["kernel"]).release,
            "source_date_epoch": epoch_of(done["system"]),
            "pins": json.loads(recipe.pins.text()),
            "kernel_review": _kernel_review(done["kernel"], workshop),
        }
    if course.hardware is not None:
        facts["hardware"] = course.hardware.model_dump()
        files = {name: done[course.disk].files[other_disk(name)] for name in course.hardware.more_disks}
        facts["disks"] = {name: {key: file[kept] for key, kept in KEYS.items()} for name, file in files.items()}
    if FACTS in done[course.disk].files:
        facts |= json.loads((done[course.disk].folder / FACTS).read_text())
    return facts


def beside_disks(built: Built, done: Mapping[str, Stored]) -> dict[str, object]:
    """The hashes of what lies beside the disks, so that an older build's is never taken for this one's."""
    found: dict[str, object] = {}
    if built.files:
        found[built.files.name] = done["system"].files[FILES]["sha256"]
    if built.kernel:
        found |= {f"{built.kernel.name}/{name}": done["kernel"].files[name]["sha256"] for name in KERNEL}
        found[f"{built.kernel.name}/{PACKAGE}"] = done["kernel-package"].files[PACKAGE]["sha256"]
    return {"files": found}


def _kernel_review(kernel: Stored, workshop: Workshop) -> dict[str, object]:
    """What lessons need, and the options of it that are off, in the configuration that the kernel was compiled with.

    The rest of the review was held before that, when its source was there: a build ends with a finding.
    """
    workshop.store.check_file(kernel, "config")
    config = parse_config((kernel.folder / "config").read_text())
    found = review(config, (), load_catalogue(), None)
    return {
        "on": sum(value in {"y", "m"} for value in config.values()),
        "capabilities": {one.name: list(one.missing) for one in found.capabilities},
    }
