"""What `labwright build` left in a folder, read and checked before anything of it goes out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labwright.errors import Cause, LabwrightError
from labwright.host.files import file_digest, has_content

SLUG = re.compile(r"[a-z0-9][a-z0-9-]*")
LATEST = 253_402_300_799
"""The last second of the year 9999, after which RFC 3339 has no dates."""
KERNEL_FILES = ("bzImage", "config", "kernel.package", "modules.tar", "release", "vmlinux")


@dataclass(frozen=True)
class Delivered:
    """A built image. report: the file; facts: what is in it. sha256: of the qcow2.

    files: the list of everything in the image (mtree), None where there is none. kernel: files in <slug>-kernel.
    disks: a device's further disks, by name.
    """

    slug: str
    image: Path
    report: Path
    sha256: str
    facts: Mapping[str, Any] = field(repr=False)
    files: Path | None = None
    kernel: tuple[Path, ...] = ()
    disks: Mapping[str, Path] = field(default_factory=dict)

    @property
    def private(self) -> tuple[str, ...]:
        """Where private files are in it."""
        return tuple(str(place) for place in self.facts["private"])

    @property
    def public(self) -> bool:
        """Whether everybody may have it."""
        return bool(self.facts["visibility"] == "public")

    @property
    def epoch(self) -> int:
        """Seconds since 1970 that stand for its age: the same for the same packages."""
        return int(self.facts.get("source_date_epoch", 0))


def read_delivered(image: Path) -> Delivered:
    """A built image by its qcow2, with every hash that its report has compared.

    Errors say nothing of what was to become of it: it is read for many ends.

    A list of files and a kernel that the report does not name are another build's, and not part of it.

    Raises LabwrightError: config for what is no output of a build; signature for a file that is not what the build
    tested.
    """
    slug = image.stem
    if image.suffix != ".qcow2" or not SLUG.fullmatch(slug):
        raise refused(image, "its name is not <slug>.qcow2")
    if not image.is_file():
        raise refused(image, "it is not there", "check its name and folder")
    facts = _report(image)
    _check(image, facts, "bytes", "sha256")
    disks = {}
    for name, said in _disks(image, facts).items():
        disks[name] = image.with_name(f"{slug}-{name}.qcow2")
        _check(disks[name], said, "bytes", "sha256")
    mtree, *kernel = (image.parent / name for name in beside_disk(slug))
    own = {path for path in (mtree, *kernel) if path.is_file() and _belongs(path, image, facts)}
    return Delivered(
        slug,
        image,
        image.with_suffix(".json"),
        str(facts["sha256"]),
        facts,
        mtree if mtree in own else None,
        tuple(path for path in kernel if path in own),
        disks,
    )


def beside_disk(slug: str) -> tuple[str, ...]:
    """Names of what a build may put beside its disks and report: the list of files, then the kernel's."""
    return (f"{slug}.mtree", *(f"{slug}-kernel/{name}" for name in KERNEL_FILES))


def check_visibility(delivered: Delivered) -> None:
    """Raise LabwrightError (config) for a public image that holds somebody's private files, naming each."""
    if not delivered.public or not delivered.private:
        return
    raise LabwrightError(
        f"{delivered.image} is not published: it is marked public and holds {len(delivered.private)} private file(s)",
        cause=Cause.CONFIG,
        details=[f"private: {place}" for place in delivered.private],
        hint="take them out of image.meta.yaml, or set build.visibility: private there and build it again",
    )


def _report(image: Path) -> dict[str, Any]:
    path = image.with_suffix(".json")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise refused(image, f"its report {path.name} is not beside it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise refused(image, f"its report {path.name} cannot be read") from error
    if not isinstance(facts, dict) or facts.get("image") != image.stem:
        raise refused(image, f"{path.name} is no report of it")
    visibility, private = facts.get("visibility"), facts.get("private")
    if visibility not in {"public", "private"} or not isinstance(private, list):
        raise refused(image, f"{path.name} does not say who may have it: an older labwright wrote it")
    epoch = facts.get("source_date_epoch", 0)
    if not isinstance(epoch, int) or not 0 <= epoch <= LATEST:
        raise refused(image, f"{path.name} does not say its age in seconds")
    return facts


def _disks(image: Path, facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    disks = facts.get("disks", {})
    if not isinstance(disks, dict) or not all(SLUG.fullmatch(name) and isinstance(disks[name], dict) for name in disks):
        raise refused(image, "what its report says of disks is not understood")
    return disks


def _check(path: Path, said: Mapping[str, Any], size: str, sha256: str) -> None:
    if not isinstance(said.get(size), int) or not isinstance(said.get(sha256), str):
        raise refused(path, "its report has no size or no hash of it")
    if not has_content(path, said[size], said[sha256]):
        raise _other(path)


def _belongs(path: Path, image: Path, facts: Mapping[str, Any]) -> bool:
    """Whether a file is of this build. Raises LabwrightError (signature) for one that is not as the build left it."""
    said = facts.get("files")
    if said is None:
        # Older reports name none of them.
        return True
    if not isinstance(said, dict):
        raise refused(image, "what its report says of files is not understood")
    wanted = said.get(path.relative_to(image.parent).as_posix())
    if wanted is not None and file_digest(path) != wanted:
        raise _other(path)
    return wanted is not None


def _other(path: Path) -> LabwrightError:
    return LabwrightError(
        f"{path} is not the file that was built and tested: its report has another hash",
        cause=Cause.SIGNATURE,
        hint="somebody changed it, or a disk damaged it: build it again",
    )


def refused(path: Path, why: str, remedy: str = "build it again: labwright build IMAGE_DIR") -> LabwrightError:
    """The error for what is no output of a build."""
    return LabwrightError(f"{path} is no image that labwright build delivered: {why}", cause=Cause.CONFIG, hint=remedy)
