"""Stage 2: the steps from any disk image to one that is ready for learners."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from labwright.disk.qcow2 import to_plain_qcow2, to_small_qcow2_quickly
from labwright.errors import LabwrightError
from labwright.foreign import Limits, to_raw
from labwright.guest.boots import firmwares_of
from labwright.guest.content import read_content
from labwright.guest.grow import grow
from labwright.guest.way import APPLIANCE, MOUNTED, VIRT_CUSTOMIZE, Way
from labwright.host.files import file_digest
from labwright.interfaces import DiskRequest, Provisioner, Workbench
from labwright.pipeline.proof import BOOTS, DISK, FACTS
from labwright.pipeline.stage1 import password_digest, secret_digest
from labwright.pipeline.steps import Needs, Step, code_digest
from labwright.pipeline.store import Stored, text_digest
from labwright.spec.image import ImageSpec

NOT_INPUTS = {"image.meta.yaml", "image.lock.json", "README.md", "test.sh"}
"""In an image's folder: what its playbook has no use for."""
LEFT_OUT = {".git", "__pycache__"}
CODE = ("labwright.provision", "labwright.guest", "labwright.foreign")


@dataclass(frozen=True)
class Provisioning:
    """What stage 2 needs to know. source: the digest of the disk in build.from, empty for a disk of stage 1.

    private: contents of private files by their places; a secret. keep: where a disk goes whose provisioning failed.
    disks: digests of the other disks of a device, by their names. secret: whether the disk in build.from holds one.
    """

    image: ImageSpec
    folder: Path
    driver: Provisioner
    way: Way
    source: str = ""
    private: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    keep: Path | None = None
    limits: Limits = field(default_factory=Limits)
    disks: Mapping[str, str] = field(default_factory=dict)
    secret: bool = False

    @property
    def last(self) -> str:
        """The step whose output holds the finished image."""
        return "customize" if self.image.build.customized else "base"


def provision_steps(wanted: Provisioning) -> tuple[Step, ...]:
    """The steps of stage 2: base for a foreign disk, customize where the image's author has more done."""
    steps = [base_step(wanted)] if wanted.source else []
    if wanted.image.build.customized:
        steps.append(customize_step(wanted))
    return tuple(steps)


def base_step(wanted: Provisioning) -> Step:
    """A foreign disk with base set, packages, login and SSH; sealed, unless there is more to come."""
    image, build = wanted.image, wanted.image.build
    finished = wanted.last == "base"

    def base(output: Path, _: Mapping[str, Stored], bench: Workbench) -> None:
        disk = bench.scratch / "disk.raw"
        bench.say("reading the disk image")
        to_raw(Path(build.source or ""), disk, bench, wanted.limits)
        if build.disk_size:
            grow(disk, build.disk_size, build.partition, bench)
        (output / BOOTS).write_text(json.dumps(firmwares_of(disk, bench)))
        provision(wanted, DiskRequest(
            image, disk, wanted.folder, wanted.way.method, customize=False, seal=finished
        ), output, bench)  # fmt: skip
        _store(disk, output / DISK, finished, bench)

    return Step(
        "base",
        "Prepare the disk image: packages, login, SSH",
        base,
        {
            "source": wanted.source,
            "driver": driver_code(wanted.driver),
            "code": code_digest(*CODE),
            "method": wanted.way.method,
            "packages": " ".join(build.packages),
            "slug": image.slug,
            "user": image.ssh_user,
            "password": password_digest(image),
            "build.login": build.login.user if build.login else "",
            "build.partition": str(build.partition),
            "build.diskSize": str(build.disk_size),
            "sealed": str(finished),
        },
        needs=Needs(disk=3000, memory=1300, seconds=60),
        private=wanted.secret,
    )


def customize_step(wanted: Provisioning) -> Step:
    """The author's part: private files, scripts, playbook; then the seal. A secret in it keeps it out of the store."""
    image, build = wanted.image, wanted.image.build
    before = "base" if wanted.source else "disk"

    def customize(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        disk = bench.scratch / "disk.raw"
        bench.run(
            ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", done[before].folder / DISK, disk],
            what="the disk image cannot be unpacked", timeout=1800,
        )  # fmt: skip
        request = DiskRequest(image, disk, wanted.folder, wanted.way.method, prepare=False, private=wanted.private)
        provision(wanted, request, output, bench)
        _store(disk, output / DISK, True, bench)

    private = {
        f"private {one.path}": f"{one.owner}:{one.group} {one.mode} {secret_digest(image, wanted.private[one.path])}"
        for one in build.private_files
    }
    return Step(
        "customize",
        "Customize: private files, scripts, playbook",
        customize,
        {
            "driver": driver_code(wanted.driver),
            "code": code_digest(*CODE),
            "method": wanted.way.method,
            "slug": image.slug,
            "playbook": build.playbook or "",
            "pre": " ".join(build.pre),
            "post": " ".join(build.post),
            "user": image.ssh_user,
            "files": folder_digest(wanted.folder),
        }
        | private,
        (before,),
        Needs(disk=3000, memory=1300, seconds=60),
        private=bool(private) or wanted.secret,
    )


def provision(wanted: Provisioning, request: DiskRequest, output: Path, bench: Workbench) -> None:
    """Call the driver; where that fails, the disk is kept if the user asked for it."""
    request = replace(request, method=suited(wanted.way, request.disk, bench))
    try:
        facts = wanted.driver.provision(request, bench)
        (output / FACTS).write_text(json.dumps(asdict(facts), indent=1) + "\n")
    except LabwrightError as error:
        if wanted.keep is None or not request.disk.exists():
            raise
        try:
            keep(request.disk, wanted.keep, bench)
        except (LabwrightError, OSError) as failure:
            bench.say(f"the disk could not be kept: {failure}")
            raise error from None
        raise LabwrightError(
            error.what,
            cause=error.cause,
            details=error.details,
            log=error.log,
            hint=f"{error.hint}. The disk as it failed: labwright enter {wanted.keep}",
        ) from error


def suited(way: Way, disk: Path, bench: Workbench) -> str:
    """The way into this disk: another than the one that was chosen, where it does not suit what is on the disk."""
    if not way.chosen or way.method not in {MOUNTED, VIRT_CUSTOMIZE}:
        return way.method
    content = read_content(disk, bench)
    plain = not content.lvm and all(part.filesystem.startswith(("ext", "xfs")) for part in content.candidates)
    if plain and not (way.method == VIRT_CUSTOMIZE and any(part.filesystem == "xfs" for part in content.candidates)):
        return way.method
    bench.say(f"by the appliance instead: the disk has logical volumes, or what {way.method} cannot look into")
    return APPLIANCE


def keep(disk: Path, place: Path, bench: Workbench) -> None:
    """Put a disk that failed where the user can look at it. Private files may be in it, so it is its owner's alone."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    disk.chmod(0o600)
    try:
        disk.rename(place)
    except OSError:
        bench.run(["cp", "--sparse=always", "--preserve=mode", disk, place], what=f"{place} cannot be written")


def _store(disk: Path, place: Path, finished: bool, bench: Workbench) -> None:
    convert = to_small_qcow2_quickly if finished else to_plain_qcow2
    convert(disk, place, bench)
    disk.unlink()


def driver_code(driver: Provisioner) -> str:
    """A digest of the driver's package, and of those that it builds upon."""
    packages = [kind.__module__.partition(".")[0] for kind in type(driver).__mro__]
    named = dict.fromkeys([*packages, *driver.depends])
    return code_digest(*(name for name in named if name not in {"labwright", "abc", "builtins"}))


def folder_digest(folder: Path) -> str:
    """A digest of everything in an image's folder that its playbook may use: names, modes, contents, link targets."""
    parts = []
    seen: set[Path] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        # A link may lead back to where it came from.
        again = Path(place).resolve() in seen
        seen.add(Path(place).resolve())
        folders[:] = [] if again else sorted(name for name in folders if name not in LEFT_OUT)
        for name in sorted([*names, *(name for name in folders if Path(place, name).is_symlink())]):
            path = Path(place, name)
            label = path.relative_to(folder).as_posix()
            if label in NOT_INPUTS:
                continue
            if path.is_symlink():
                parts.append(f"{label} -> {path.readlink()}")
            if path.is_file():
                parts.append(f"{label} {path.stat().st_mode:o} {file_digest(path)}")
    return text_digest(*parts)


def own_test(folder: Path) -> str:
    """The text of the image's own test; empty where it has none."""
    path = folder / "test.sh"
    return path.read_text(encoding="utf-8") if path.is_file() else ""
