"""The image of an endpoint: a disk that was built, what its report says of it, and its logins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from labwright.errors import Cause, LabwrightError
from labwright.foreign.inspect import inspect_image
from labwright.spec import curriculum
from labwright.spec.document import read_document
from labwright.spec.hardware import Hardware
from labwright.spec.load import FILE
from labwright.spec.platform_image import PlatformImage

LEAST_MEMORY = 128
BOOT_SECONDS = 120
HELP = "docs/write-an-image.md lists the keys"


@dataclass(frozen=True)
class LabImage:
    """An image to boot. disks: by their names in the hardware. kernel: to start it directly, without a boot loader.

    interfaces: names of the data interfaces in bus order. user, password: of learners; config_user, config_password:
    of configuration jobs. shell: whether both are users of a Linux system.
    """

    slug: str
    disks: Mapping[str, Path]
    hardware: Hardware
    kernel: Path | None
    interfaces: tuple[str, ...]
    user: str
    password: str = field(repr=False)
    config_user: str
    config_password: str = field(repr=False)
    shell: bool = True


class _Report(BaseModel):
    """What a build says of its image, as far as a lab needs it; its other keys are for people and tests."""

    memory: Annotated[int, Field(ge=1, le=65536)] = LEAST_MEMORY
    interfaces: tuple[Annotated[str, Field(pattern=r"^\S+$")], ...] = ("eth0", "eth1")
    user: Annotated[str, Field(pattern=r"^[^\s-]\S*$")] = "antidote"
    ours: bool = False
    hardware: Hardware | None = None


def curriculum_images(lesson: Path) -> tuple[Path, ...]:
    """The folders that may hold the folders of a lesson's images, nearest first, and none above its curriculum."""
    found = []
    # Its curriculum holds lessons/, and that the lesson, at most so many folders down.
    for above in lesson.parents[: curriculum.DEEPEST + 1]:
        found.append(above / "images")
        if (above / curriculum.FILE).is_file():
            break
    return tuple(found)


def find_image(slug: str, out: Path, folders: Sequence[Path]) -> LabImage:
    """The image of this slug. out: where builds put images. folders: that hold images' folders, with their logins.

    Raises LabwrightError (config) where it was not built, or is not what its report says.
    """
    disk = out / f"{slug}.qcow2"
    if not disk.is_file():
        known = sorted(path.stem for path in out.glob("*.qcow2")) if out.is_dir() else []
        here = next((folder / slug for folder in folders if (folder / slug / FILE).is_file()), None)
        build = f"labwright build {here}" if here else f"write images/{slug}/{FILE} and build it"
        raise LabwrightError(
            f"there is no image {slug}: {disk} is not there",
            cause=Cause.CONFIG,
            hint=f"{build}; or name the folder with it: --images DIR. {out} has: {', '.join(known) or 'none'}",
        )
    inspect_image(disk)
    report = _report(disk)
    hardware = report.hardware or _computer(max(LEAST_MEMORY, report.memory))
    disks = {"system": disk}
    for name in hardware.more_disks:
        disks[name] = disk.with_name(f"{disk.stem}-{name}.qcow2")
        inspect_image(disks[name])
    kernel = disk.with_name(f"{slug}-kernel") / "vmlinux"
    logins = _logins(slug, folders)
    linux = report.hardware is None
    return LabImage(
        slug=slug,
        disks=disks,
        hardware=hardware,
        kernel=kernel if linux and report.ours and kernel.is_file() else None,
        interfaces=report.interfaces[1:],
        user=logins.ssh_user if logins else report.user,
        password=(logins or PlatformImage(slug=slug)).ssh_password.get_secret_value(),
        config_user=logins.config_user if logins else report.user,
        config_password=(logins or PlatformImage(slug=slug)).config_password.get_secret_value(),
        shell=linux or hardware.shell,
    )


def _report(disk: Path) -> _Report:
    """The report beside a disk; where none is, the disk is from elsewhere. Raises LabwrightError (config)."""
    place = disk.with_suffix(".json")
    try:
        facts = json.loads(place.read_text())
        if not isinstance(facts, dict):
            raise TypeError("no object")
    except FileNotFoundError:
        return _Report()
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise LabwrightError(
            f"{place} is beside the image, and is no report of a build",
            cause=Cause.CONFIG,
            hint="build the image again; take the file away if the disk is from elsewhere",
        ) from error
    try:
        return _Report.model_validate_json(json.dumps({**facts, "hardware": facts.get("hardware") or None}))
    except ValidationError as error:
        first = error.errors()[0]
        raise LabwrightError(
            f"{place} describes no machine that labwright knows: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            cause=Cause.CONFIG,
            hint="build the image again with this labwright",
        ) from error


def _computer(memory: int) -> Hardware:
    """A PC with virtio. memory: MiB."""
    machine = {"name": "machine", "memory": memory, "board": "q35", "model": "host"}
    facts = {"machines": [machine], "boot": BOOT_SECONDS, "shell": True}
    return Hardware.model_validate_json(json.dumps(facts))


def _logins(slug: str, folders: Sequence[Path]) -> PlatformImage | None:
    """What the first image.meta.yaml of this slug says; its other keys are for the builder."""
    path = next((folder / slug / FILE for folder in folders if (folder / slug / FILE).is_file()), None)
    return read_document(path, PlatformImage, absent="", help_=HELP).value if path else None
