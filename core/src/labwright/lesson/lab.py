"""A lab that is up, as it stands on disk: whoever reads it can go on with it, from any shell."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from labwright.errors import Cause, LabwrightError
from labwright.host.files import write_whole
from labwright.host.paths import Paths
from labwright.host.teardown import process_start
from labwright.lesson.command import WirePlan

FORMAT = 1
Phase = Literal["starting", "booting", "configuring", "ready", "failed"]


@dataclass(frozen=True)
class LabMachine:
    """An endpoint that was started. address: in the lab's network. ports: of the host's loopback, by the guest's.

    controls: sockets of the monitors of its QEMUs; data: of the one with the data interfaces, which have these seats on
    its bus. ready: seconds from its start to its SSH answer, 0 before that.
    """

    name: str
    image: str
    user: str
    address: str
    peer_address: str
    macs: tuple[str, ...]
    interfaces: tuple[str, ...]
    ports: Mapping[int, int]
    console: Path
    serial: Path
    controls: tuple[Path, ...]
    data: Path
    seats: tuple[int, ...]
    shell: bool
    quick: bool = False
    ready: float = 0.0


@dataclass(frozen=True)
class LabLink:
    """A link that was laid. a, b: endpoints; the numbers and seats of their interfaces, the latter on their QEMU."""

    name: str
    a: str
    a_interface: int
    b: str
    b_interface: int
    subnet: str
    wire: WirePlan


@dataclass(frozen=True)
class Lab:
    """A lab. keeper: its process, and that one's start time, which tells a reused process id apart.

    problem: why it failed. images: where its images are; logins: the folders in which their logins were looked for, in
    this order, wherever a later command is run. accelerator, factor: of labwright.vm.accelerator.
    """

    name: str
    lesson: Path
    images: Path
    folder: Path
    sockets: Path
    accelerator: str
    factor: float
    machines: tuple[LabMachine, ...]
    links: tuple[LabLink, ...]
    phase: Phase = "starting"
    stage: int = 0
    problem: str = ""
    keeper: int = 0
    keeper_start: int = 0
    creator: int = 0
    creator_start: int = 0
    logins: tuple[Path, ...] = ()
    created: float = 0.0
    took: float = 0.0
    format: int = field(default=FORMAT)

    @property
    def alive(self) -> bool:
        """Whether its keeper runs."""
        return self.keeper != 0 and process_start(self.keeper) == self.keeper_start

    @property
    def abandoned(self) -> bool:
        """Whether whoever was starting it has died in the middle of that."""
        return self.phase not in {"ready", "failed"} and process_start(self.creator) != self.creator_start

    @property
    def control(self) -> Path:
        """The keeper's socket."""
        return self.sockets / "keeper"

    def machine(self, name: str) -> LabMachine:
        """The endpoint of this name. Raises LabwrightError (config) naming those that there are."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        known = ", ".join(machine.name for machine in self.machines)
        raise LabwrightError(f"{self.name} has no endpoint {name!r}", cause=Cause.CONFIG, hint=f"one of: {known}")

    def link(self, name: str) -> LabLink:
        """The link of this name, or with its ends the other way round. Raises LabwrightError (config)."""
        one, _, two = name.partition("--")
        # The name itself first: the same two ends may have a cable each way round.
        for wanted in (name, f"{two}--{one}"):
            for link in self.links:
                if link.name == wanted:
                    return link
        known = ", ".join(link.name for link in self.links) or "none"
        raise LabwrightError(f"{self.name} has no link {name!r}", cause=Cause.CONFIG, hint=f"its links: {known}")

    def ended(self, endpoint: str) -> str:
        """How a machine of an endpoint ended, in words; empty while it runs."""
        try:
            return (self.folder / f"ended-{endpoint}").read_text()
        except FileNotFoundError:
            return "" if self.alive else "the lab's own process has died, and its machines with it"


def folder_of(lesson: Path, paths: Paths) -> Path:
    """Where the lab of a lesson's folder is kept; two copies of a lesson have two labs."""
    place = (lesson.parent if lesson.name == "lesson.meta.yaml" else lesson).resolve()
    return paths.root / "labs" / f"{place.name[:40]}-{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"


class LabEndedError(LabwrightError):
    """Somebody has ended a lab while a command was at work on it."""


def write_lab(lab: Lab) -> Lab:
    """Write it down, whole or not at all. Raises LabEndedError (interrupted) where its folder is no more."""
    try:
        write_whole(lab.folder / "lab.json", json.dumps(dataclasses.asdict(lab), indent=1, default=str) + "\n")
    except FileNotFoundError as error:
        raise LabEndedError(
            f"the lab {lab.name} was ended meanwhile",
            cause=Cause.INTERRUPTED,
            hint=f"labwright lesson up {lab.lesson} starts it again",
        ) from error
    return lab


def find_lab(lesson: Path, paths: Paths) -> Lab | None:
    """The lab of a lesson, whether its keeper still lives or not; None where there is none.

    Raises LabwrightError (host) where it cannot be read.
    """
    return _read(folder_of(lesson, paths) / "lab.json")


def all_labs(paths: Paths) -> tuple[list[Lab], list[LabwrightError]]:
    """Every lab of this user, by name, and what is to be said of those that cannot be read."""
    found, failures = [], []
    for path in sorted((paths.root / "labs").glob("*/lab.json")):
        try:
            lab = _read(path)
        except LabwrightError as error:
            failures.append(error)
        else:
            found += [lab] if lab else []
    return found, failures


def keeper_of(folder: Path) -> tuple[int, int] | None:
    """The keeper of a lab, and its start time, from a record that may be of another version; None where it has none."""
    try:
        facts = json.loads((folder / "lab.json").read_bytes())
        return int(facts["keeper"]), int(facts["keeper_start"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(path: Path) -> Lab | None:
    try:
        return TypeAdapter(Lab).validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise LabwrightError(
            f"{path} cannot be read: another labwright wrote it, or somebody changed it",
            cause=Cause.HOST,
            hint="labwright lesson down LESSON ends it all the same; then up again",
        ) from error


def running_lab(lesson: Path, paths: Paths) -> Lab:
    """The lab of a lesson that is up. Raises LabwrightError (config, host) saying what to do."""
    lab = find_lab(lesson, paths)
    if lab is None:
        raise LabwrightError(
            f"the lesson in {lesson} is not up", cause=Cause.CONFIG, hint=f"labwright lesson up {lesson}"
        )
    if not lab.alive:
        raise LabwrightError(
            f"the lab {lab.name} has died: its process {lab.keeper} is gone",
            cause=Cause.HOST,
            hint=f"labwright lesson down {lesson}; then up again",
        )
    return lab
