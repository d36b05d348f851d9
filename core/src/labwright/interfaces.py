"""The three interfaces that drivers implement, and the frozen values that they exchange with the core.

A driver is a class, published under an entry point whose name is the image type:

    [project.entry-points."labwright.bootstrappers"]
    debian = "labwright_debian:DebianBootstrapper"

The core owns the order of the steps and all that is the same for every system; a driver fills in what differs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from labwright.errors import Cause, LabwrightError
from labwright.host.ledger import Ledger
from labwright.host.run import Completed
from labwright.spec.hardware import Hardware
from labwright.spec.image import ImageSpec
from labwright.spec.pins import Package, Pins

__all__ = [
    "BOOTSTRAPPERS", "CONFIGURATORS", "INTERFACE_VERSION", "PROVISIONERS", "Bootstrapper", "ConfigurationJob",
    "ConfigurationResult", "DiskRequest", "Distribution", "DriverFacts", "Endpoint", "Hardware", "ImageSpec",
    "KernelFiles", "KernelSource", "LessonConfigurator", "Package", "Pins", "Provisioned", "Provisioner", "Release",
    "Workbench",
]  # fmt: skip

INTERFACE_VERSION = 5
"""Raised when a change here breaks drivers; a driver built for another version is reported and not used."""

BOOTSTRAPPERS = "labwright.bootstrappers"
PROVISIONERS = "labwright.provisioners"
CONFIGURATORS = "labwright.configurators"

Status = Literal["ready", "partial", "planned"]


@dataclass(frozen=True)
class DriverFacts:
    """What a driver says of itself. limits: what it does not do yet, in a sentence for users."""

    title: str
    status: Status = "ready"
    limits: str = ""


@dataclass(frozen=True)
class Workbench:
    """All that a driver may touch.

    run: labwright.host.run.run with the log of the current step. scratch: a folder that is removed after the step.
    downloads: a folder that stays between builds (package caches; nothing in it is trusted). say: progress in words.
    source_date_epoch: seconds since 1970 for every time stamp made; 0 where the step has to find it out.
    log: the file that run() appends to; what else a user may want to read afterwards is appended to it as well.
    asked: what this command has asked mirrors already, by names of the driver's own: the images of one night, and an
    image with the one that it starts from, are made of one state of them.
    """

    run: Callable[..., Completed]
    scratch: Path
    downloads: Path
    ledger: Ledger
    say: Callable[[str], None]
    source_date_epoch: int
    jobs: int
    log: Path | None = None
    asked: MutableSet[str] = field(default_factory=set)


@dataclass(frozen=True)
class Release:
    """A release of a distribution. kernel_source: the name of the package that holds its kernel's source.

    identity: ID, and VERSION_ID up to a dot, of its os-release(5), where its name is no word of its PRETTY_NAME.
    processor: the level of x86-64 that its programs are compiled for; scripts of packages run on this host's.
    """

    name: str
    kernel_source: str
    identity: tuple[str, str] = ("", "")
    processor: int = 1


@dataclass(frozen=True)
class Distribution(DriverFacts):
    """The facts of a distribution.

    fragments: kernel configuration fragments, in order, beside the common ones. packages: what every image gets.
    tools: what the host needs; `a|b` where either does. makers: the tools that make the tree, as far as they are
    installed; another version of one makes it again. mirrors_in_tree: whether the tree names the mirrors that its
    packages came from. refused: releases that cannot be made, and why.
    """

    releases: tuple[Release, ...] = ()
    default_release: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    makers: tuple[str, ...] = ()
    mirrors_in_tree: bool = True
    fragments: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    proof: Literal["login", "ssh", "systemd"] = "systemd"

    def release(self, name: str) -> Release | None:
        """The release of this name."""
        return next((release for release in self.releases if release.name == name), None)

    def asked(self, image: ImageSpec) -> tuple[str, ...]:
        """The packages that an image asks for by name: the distribution's and its own."""
        return tuple(sorted({*self.packages, *image.build.packages}))


@dataclass(frozen=True)
class KernelSource:
    """What a driver puts into a folder: linux.tar.xz with one folder at its top; extra/, files copied over that; and
    patches/, applied in the order of their names.

    date: seconds since 1970. extra_version: EXTRAVERSION of its makefile, where the distribution sets it, so that
    uname -r says which package the source came from.
    """

    date: int
    extra_version: str = ""
    ARCHIVE: ClassVar[str] = "linux.tar.xz"
    EXTRA: ClassVar[str] = "extra"
    PATCHES: ClassVar[str] = "patches"


@dataclass(frozen=True)
class KernelFiles:
    """A compiled kernel: a folder with bzImage, vmlinux, config, modules.tar, and its release (uname -r)."""

    folder: Path
    release: str

    @property
    def bzimage(self) -> Path:
        """Compressed, for boot loaders."""
        return self.folder / "bzImage"

    @property
    def vmlinux(self) -> Path:
        """Uncompressed, for Firecracker and for QEMU's PVH entry."""
        return self.folder / "vmlinux"

    @property
    def config(self) -> Path:
        """The .config that it was compiled with."""
        return self.folder / "config"

    @property
    def modules(self) -> Path:
        """A tar archive of lib/modules/<release>."""
        return self.folder / "modules.tar"


class Bootstrapper(ABC):
    """Stage 1: a distribution from nothing. The core compiles the kernel and makes the disk from the tree."""

    interface_version: ClassVar[int] = INTERFACE_VERSION
    distribution: ClassVar[Distribution]

    @abstractmethod
    def resolve(self, image: ImageSpec, bench: Workbench, snapshot: str = "") -> Pins:
        """Ask the mirrors what they would give now, or gave at the date `snapshot`, every package of it.

        Raises LabwrightError (network, signature, config).
        """

    @abstractmethod
    def fetch_kernel_source(self, image: ImageSpec, pins: Pins, destination: Path, bench: Workbench) -> KernelSource:
        """Put the pinned kernel source into the folder `destination`, in the form that KernelSource describes.

        Raises LabwrightError naming what a mirror cannot give any more.
        """

    @abstractmethod
    def make_tree(self, image: ImageSpec, pins: Pins, destination: Path, bench: Workbench) -> int:
        """Put the root file system with the pinned packages at `destination`, a tar file with numeric owners.

        No time in it is later than the bench's source_date_epoch, or where that is 0 than the date of the newest
        package. Returns that time. Raises LabwrightError naming the package that a mirror cannot give any more.
        """

    @abstractmethod
    def package_kernel(self, kernel: KernelFiles, destination: Path, bench: Workbench) -> None:
        """Make a package of the kernel in the distribution's format at `destination`, so that it owns the files."""

    @abstractmethod
    def finish_tree(self, image: ImageSpec, tree: Path, kernel_package: Path, bench: Workbench) -> None:
        """In the unpacked tree, with no network: install the kernel, configure, and remove what must not be shared."""

    def resolve_programs(self, image: ImageSpec, packages: tuple[str, ...], bench: Workbench) -> Pins:
        """As resolve(), of a tree of programs for a container: these packages, what they need and no base system.

        Raises LabwrightError (network, signature, config), also where the distribution makes no such trees.
        """
        del packages, bench
        raise LabwrightError(
            f"{image.build.type} makes no trees of programs", cause=Cause.CONFIG, hint="use another distribution"
        )

    def make_programs(self, pins: Pins, destination: Path, bench: Workbench) -> int:
        """As make_tree(), of such a tree: packages are unpacked, and none of their scripts has run."""
        del destination, bench
        raise LabwrightError(
            f"{pins.type} makes no trees of programs", cause=Cause.CONFIG, hint="use another distribution"
        )


@dataclass(frozen=True)
class DiskRequest:
    """A raw disk to provision in place. folder: the image's, with its scripts. method: one of the driver's ways in.

    prepare: base set, packages, login, SSH. customize: private files, scripts, playbook. seal: out with what clones
    must not share, which comes last. private: contents by their places in the image; a secret, no repr shows it.
    disks: the other disks of a device with several, by the names in its hardware, raw as well.
    """

    image: ImageSpec
    disk: Path
    folder: Path
    method: str
    prepare: bool = True
    customize: bool = True
    seal: bool = True
    private: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    disks: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Provisioned:
    """What is in a disk afterwards. system: what it calls itself. packages: names and versions, sorted.

    systemd: whether that is its init; where it is not, the boot test looks at less.
    """

    system: str = ""
    systemd: bool = True
    packages: tuple[tuple[str, str], ...] = ()


class Provisioner(ABC):
    """Stage 2: a disk image, ours or a vendor's, made ready for learners. The core converts, keeps and tests it.

    ways: how it can enter an image, the best first: mounted, appliance, booted, virt-customize, or one of its own.
    hardware: of the device that its disks run in; None where any PC with virtio does. With it the driver does all in
    one call, and the core tests its images in that hardware. depends: importable packages beside the driver's own
    that its images depend on: other code in them makes the images anew.
    """

    interface_version: ClassVar[int] = INTERFACE_VERSION
    facts: ClassVar[DriverFacts]
    ways: ClassVar[tuple[str, ...]] = ()
    hardware: ClassVar[Hardware | None] = None
    depends: ClassVar[tuple[str, ...]] = ()

    def check(self, image: ImageSpec, folder: Path) -> None:
        """Look at an image's description before anything runs. Raises LabwrightError (config) for what cannot be done.

        folder: the image's.
        """
        del image, folder

    @abstractmethod
    def provision(self, request: DiskRequest, bench: Workbench) -> Provisioned:
        """Change the request's disk in place; the internet is there. Raises LabwrightError; the disk is then lost."""

    def examine(self, image: ImageSpec, ports: Mapping[str, int], bench: Workbench) -> Mapping[str, str]:
        """What a finished device of this image, booted anew, says of itself. ports: of loopback, by what answers there.

        Raises LabwrightError (guest) where lessons could not work with it.
        """
        del image, ports, bench
        return {}


@dataclass(frozen=True)
class Endpoint:
    """A running machine of a lesson. The password is a secret: no repr shows it.

    driver: NAPALM's, where it is known. interfaces: names of the data interfaces, in the order of connections.
    """

    name: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    driver: str = ""
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConfigurationJob:
    """One endpoint at one stage of a lesson. lesson: a fresh copy of its folder. file: relative to it.

    addresses: of all endpoints of the lesson, by their names.
    seen_at: where the commands that the bench's run() starts see that copy, /antidote for lessons; None: where it is.
    limit: seconds for all of it. dry_run: show what would change, change nothing.
    """

    endpoint: Endpoint
    lesson: Path
    stage: int
    file: Path
    dry_run: bool = False
    seen_at: Path | None = None
    limit: float = 600.0
    addresses: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The lesson as a command sees it."""
        return self.seen_at or self.lesson

    @property
    def script(self) -> Path:
        """The file as a command sees it."""
        return self.folder / self.file


@dataclass(frozen=True)
class ConfigurationResult:
    """How a job ended. difference: what changed, or would change, in the device's own words.

    reason: why it failed, in one sentence. where: the place in the lesson's file that did, `stage0/configs/r1.py:12`.
    again: whether another try may help. skipped: nothing was run, and output says why (a dry run of a script).
    """

    ok: bool
    output: str
    difference: str = ""
    reason: str = ""
    where: str = ""
    again: bool = True
    skipped: bool = False


class LessonConfigurator(ABC):
    """Stage 3: a running machine, made ready for a lesson's stage, with no internet."""

    interface_version: ClassVar[int] = INTERFACE_VERSION
    facts: ClassVar[DriverFacts]

    @abstractmethod
    def candidates(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The exact names of files in stageN/configs/ that would configure this endpoint; a stage may have one of them.

        Of the endpoint its name is known, and nothing else for sure.
        """

    @abstractmethod
    def configure(self, job: ConfigurationJob, bench: Workbench) -> ConfigurationResult:
        """Run the job. A failure of the endpoint is a result; LabwrightError is for a failure of ours."""
