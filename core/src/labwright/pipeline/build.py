"""Building one image: what the mirrors give, the steps, and the outputs put where the user wants them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.foreign import Limits, identify
from labwright.guest.way import AUTO, MOUNTED, VIRT_CUSTOMIZE, Way, choose_way, lacks_mounting
from labwright.hooks import Event, ImageReady
from labwright.interfaces import (
    BOOTSTRAPPERS,
    PROVISIONERS,
    Bootstrapper,
    KernelFiles,
    Package,
    Pins,
    Provisioner,
    Release,
)
from labwright.pipeline import mirrors
from labwright.pipeline.base import Privacy, base_of, inherited_privacy, own_privacy, starting_from
from labwright.pipeline.deliver import Built, Course, deliver, deliver_kernel, unchanged
from labwright.pipeline.device import SNAPSHOT, device_steps
from labwright.pipeline.device import STEP as DEVICE
from labwright.pipeline.preflight import check_hardware, check_host, check_room, lint
from labwright.pipeline.proof import CUSTOMIZED_MEMORY, DISK, FOREIGN_MEMORY, OURS_MEMORY, Proven, test_step
from labwright.pipeline.prune import limit, prune
from labwright.pipeline.rootfs import rootfs_step
from labwright.pipeline.source import remembered_digest, source_digest
from labwright.pipeline.stage1 import Recipe, choose_release, image_steps, kernel_files, kernel_steps
from labwright.pipeline.stage2 import Provisioning, own_test, provision_steps
from labwright.pipeline.steps import Planned, Step, plan, until
from labwright.pipeline.store import Stored
from labwright.pipeline.workshop import Workshop, source_date_epoch
from labwright.plugins import bootstrapper, discover, provisioner
from labwright.provision.private import read_private
from labwright.spec.image import LINUX_INTERFACE_NAME, ImageSpec

NO_PACKAGE = Package(
    name="unknown", version="0", architecture="all", sha256="0" * 64, size=1, mirror="archive", path="unknown"
)
NO_PINS = Pins(type="", release="", asked=(), mirrors={}, kernel_source=NO_PACKAGE, packages=())
"""For a plan before the mirrors were ever asked."""


@dataclass(frozen=True)
class Wish:
    """What a build is asked for. folder: of image.meta.yaml. locked, offline: where versions come from.

    last: the step to stop after, empty for all. force: start whatever the estimate says. method: the way into a disk
    that is provisioned. keep: where a disk goes whose provisioning failed. limits: of the disk in build.from.
    inherited: whom that disk is for.
    """

    spec: ImageSpec
    folder: Path
    locked: bool = False
    offline: bool = False
    last: str = ""
    force: bool = False
    method: str = AUTO
    keep: Path | None = None
    limits: Limits = field(default_factory=Limits)
    inherited: Privacy = field(default_factory=Privacy)


def prepared(spec: ImageSpec) -> tuple[Bootstrapper, Release]:
    """The driver and the release. Raises LabwrightError (plugin, config)."""
    try:
        driver = bootstrapper(spec.build.type)
    except LabwrightError:
        if spec.build.source is None:
            needs_disk(spec)
        raise
    return driver, choose_release(spec, driver)


def needs_disk(spec: ImageSpec) -> None:
    """Raise LabwrightError (config) where a type cannot be made from nothing, and nothing is there to start from."""
    name = spec.build.type
    made = {plugin.name for plugin in discover(BOOTSTRAPPERS)}
    if name not in made and name in {plugin.name for plugin in discover(PROVISIONERS)}:
        raise LabwrightError(
            f"{spec.slug}: images of type {name} are not made from nothing",
            cause=Cause.CONFIG,
            hint="name the disk that the vendor gave you in build.from",
        )


def pins_for(wish: Wish, driver: Bootstrapper, release: Release, workshop: Workshop) -> Pins:
    """The packages of this build: from the lock, from the last answer, or from the mirrors now."""
    if wish.locked:
        return mirrors.locked_pins(wish.spec, driver, release.name, wish.folder)
    if wish.offline:
        return mirrors.last_pins(wish.spec, driver, release.name, workshop)
    return mirrors.ask_mirrors(wish.spec, driver, workshop)


def plan_image(wish: Wish, workshop: Workshop) -> list[Planned]:
    """What a build would do, and why. Touches nothing and asks no mirror. Raises LabwrightError (config)."""
    wish = replace(wish, inherited=inherited_privacy(wish.spec, workshop))
    if found := base_of(wish.spec):
        base, folder = found
        first = plan_image(Wish(base, folder, wish.locked, wish.offline), workshop)
        disk = next((one.stored for one in reversed(first) if one.stored and DISK in one.stored.files), None)
        if disk and not any(one.runs for one in first):
            spec = starting_from(wish.spec, disk.folder / DISK, str(disk.files[DISK]["sha256"]))
            wish = replace(wish, spec=spec)
        named = [replace(one, step=replace(one.step, name=f"{base.slug}: {one.step.name}")) for one in first]
        return named + _planned(wish, workshop)
    return _planned(wish, workshop)


def _planned(wish: Wish, workshop: Workshop) -> list[Planned]:
    if is_disk(wish.spec):
        return plan(wanted_steps(course_of(wish, None, workshop).steps, wish.last), workshop.store)
    driver, release = prepared(wish.spec)
    if wish.locked:
        pins = mirrors.locked_pins(wish.spec, driver, release.name, wish.folder)
    else:
        pins = mirrors.known_pins(wish.spec, workshop) or NO_PINS
    recipe = Recipe(wish.spec, driver, release, pins, source_date_epoch())
    steps = wanted_steps(course_of(wish, recipe, workshop).steps, wish.last)
    return plan(steps, workshop.store, pinned=pins is not NO_PINS)


def is_disk(spec: ImageSpec) -> bool:
    """Whether a build starts from a disk; an archive with a root file system takes the place of a bootstrap instead.

    Raises LabwrightError (config) for a file that is neither.
    """
    source = spec.build.source
    return source is not None and (Path(source).is_dir() or identify(Path(source)).kind == "disk")


def course_of(wish: Wish, recipe: Recipe | None, workshop: Workshop) -> Course:
    """All steps of a build: of stage 1 where there is a recipe, of stage 2 where a disk is provisioned; then the test.

    Raises LabwrightError (config, host): a driver, a way in or a private file is not there.
    """
    spec, build = wish.spec, wish.spec.build
    privacy = own_privacy(spec).beside(wish.inherited)
    steps: tuple[Step, ...] = ()
    if recipe:
        check_linux(spec)
        rootfs = None
        if build.source:
            check_vouched(wish)
            rootfs = rootfs_step(recipe, source_digest(spec, workshop), wish.limits)
        steps = image_steps(recipe, rootfs)
    disk = "disk"
    if recipe is None or build.customized:
        wanted = provisioning(wish, recipe, workshop)
        if recipe is None and wanted.driver.hardware:
            steps = device_steps(wanted)
            return Course(steps, SNAPSHOT if build.quick_launch else DEVICE, wanted.driver.hardware, privacy)
        check_linux(spec)
        steps += provision_steps(wanted)
        disk = wanted.last
    proven = Proven(
        spec,
        proof=recipe.driver.distribution.proof if recipe else "systemd",
        disk=disk,
        kernel="kernel" if recipe else "",
        script=own_test(wish.folder),
        memory=OURS_MEMORY if disk == "disk" else CUSTOMIZED_MEMORY if recipe else FOREIGN_MEMORY,
    )
    return Course((*steps, test_step(proven, "" if recipe else "base")), disk, privacy=privacy)


def check_linux(spec: ImageSpec) -> None:
    """Raise LabwrightError (config) for what only a device has: names of interfaces that Linux gives none, and keys.

    Linux takes 15 characters and no slash (its dev_valid_name).
    """
    build = spec.build
    for key, value in (
        ("configuration", build.configuration), ("disks", build.disks), ("quickLaunch", build.quick_launch)
    ):  # fmt: skip
        if value:
            raise LabwrightError(
                f"{spec.slug}: build.{key} is for network operating systems, and {build.type} is none",
                cause=Cause.CONFIG,
                hint="take it out; for Linux there are playbook, pre and post",
            )
    for name in spec.network_interfaces:
        if not LINUX_INTERFACE_NAME.fullmatch(name):
            raise LabwrightError(
                f"{spec.slug}: networkInterfaces: {name!r} is no name of a Linux interface",
                cause=Cause.CONFIG,
                hint="at most 15 letters, digits, dots, underscores and dashes",
            )


def check_vouched(wish: Wish) -> None:
    """Raise LabwrightError (config) where an archive's programs would run as root here and nobody answers for them.

    An ordinary user's build runs them in a user namespace, with that user's rights.
    """
    if not lacks_mounting() and wish.spec.build.sha256 is None and wish.method != MOUNTED:
        raise LabwrightError(
            f"the programs in {wish.spec.build.source} would run as root on this host, and nobody vouches for them",
            cause=Cause.CONFIG,
            hint="write its hash to build.sha256 (sha256sum FILE), say --method mounted, or build as an ordinary user",
        )


def way_of(wish: Wish) -> Way | None:
    """The way into the disk, and why; None for a build that provisions nothing."""
    if not is_disk(wish.spec) and not wish.spec.build.customized:
        return None
    return _way(wish, provisioner(wish.spec.build.type))


def _way(wish: Wish, driver: Provisioner) -> Way:
    """A disk that we made is vouched for, and one whose hash the user wrote down."""
    source = wish.spec.build.source
    vouched = source is None or wish.spec.build.sha256 is not None or Path(source).is_dir()
    customized = wish.spec.build.customized
    if customized and wish.method == VIRT_CUSTOMIZE:
        raise LabwrightError(
            "virt-customize runs no playbook",
            cause=Cause.CONFIG,
            hint="use --method appliance, which takes the same appliance, for an image with playbook, scripts or files",
        )
    ways = tuple(way for way in driver.ways if not (customized and way == VIRT_CUSTOMIZE))
    return choose_way(wish.method, ways, vouched)


def provisioning(wish: Wish, recipe: Recipe | None, workshop: Workshop) -> Provisioning:
    """What stage 2 needs: driver, way in, secrets."""
    spec = wish.spec
    driver = provisioner(spec.build.type)
    digest = source_digest(spec, workshop) if recipe is None else ""
    return Provisioning(
        spec,
        wish.folder,
        driver,
        _way(wish, driver),
        digest,
        read_private(spec, wish.folder),
        wish.keep,
        wish.limits,
        {name: remembered_digest(Path(path), workshop) for name, path in spec.build.disks.items()},
        bool(wish.inherited.files),
    )


def lock_image(wish: Wish, workshop: Workshop, snapshot: str) -> Pins:
    """What the mirrors give now, or gave at a date, for the lock beside image.meta.yaml."""
    _not_pinned(wish, "lock")
    driver, release = prepared(wish.spec)
    check_host((driver, release), workshop, None)
    return mirrors.ask_mirrors(wish.spec, driver, workshop, snapshot)


def _not_pinned(wish: Wish, word: str) -> None:
    """Raise LabwrightError (config) where a build takes packages from the image's own mirrors, which no lock knows."""
    if wish.spec.build.source is not None:
        raise LabwrightError(
            f"{word} is for images from nothing, and {wish.spec.slug} starts from {wish.spec.build.source}",
            cause=Cause.CONFIG,
            hint="its packages come from its own mirrors, as they are today; build.sha256 pins the disk",
        )


def build_kernel_only(wish: Wish, workshop: Workshop, place: Path) -> KernelFiles:
    """The kernel's steps: source, kernel, package; and the kernel in the folder `place`."""
    driver, release = prepared(wish.spec)
    check_host((driver, release), workshop, None)
    pins = pins_for(wish, driver, release, workshop)
    steps = kernel_steps(Recipe(wish.spec, driver, release, pins, source_date_epoch()))
    check_room(plan(steps, workshop.store), workshop, None)

    def put(done: dict[str, Stored]) -> KernelFiles:
        deliver_kernel(done, place, workshop)
        return KernelFiles(place, kernel_files(done["kernel"]).release)

    return workshop.runner(f"{wish.spec.build.type}-kernel").run(steps, put)


def build_image(wish: Wish, workshop: Workshop, out: Path) -> Built | None:
    """The image, whole, or to the step that was asked for, which delivers nothing.

    Raises LabwrightError; what was made before the failure is kept for the next run.
    """
    wish = replace(wish, inherited=inherited_privacy(wish.spec, workshop))
    if found := base_of(wish.spec):
        # What cannot be done is said before the other image is made.
        wanted_steps(course_of(wish, None, workshop).steps, wish.last)
        wish = _with_base(wish, *found, workshop, out)
    spec = wish.spec
    for word, asked in (("--locked", wish.locked), ("--offline", wish.offline)):
        if asked and not found:
            _not_pinned(wish, word)
    bootstrap = None if is_disk(spec) else prepared(spec)
    check_host(bootstrap, workshop, out)
    lint(spec, workshop)
    limit()
    planned = plan_image(wish, workshop)
    if bootstrap and mirrors.known_pins(spec, workshop) is None and not wish.locked:
        # Which steps run is not known yet; the ones that never ran will.
        planned = [step for step in planned if step.last is None]
    if not wish.force:
        check_room(planned, workshop, None if wish.last else out)
    title = f"{bootstrap[0].distribution.title} {bootstrap[1].name}" if bootstrap else f"from {spec.build.source}"
    workshop.emit(Event("build-started", spec.slug, text=title))
    started = time.monotonic()
    recipe = None
    if bootstrap:
        recipe = Recipe(spec, *bootstrap, pins_for(wish, *bootstrap, workshop), source_date_epoch())
    course = course_of(wish, recipe, workshop)
    if course.hardware:
        check_hardware(course.hardware)
    steps = wanted_steps(course.steps, wish.last)
    built = None if wish.last else unchanged(course, spec, out, workshop)
    if built is None:
        if not wish.force:
            check_room(plan(steps, workshop.store), workshop, None if wish.last else out)

        def put(done: dict[str, Stored]) -> Built | None:
            return None if wish.last else deliver(spec, recipe, course, done, out, wish.locked, workshop)

        built = workshop.runner(spec.slug).run(steps, put)
    text = str(built.image) if built else f"the step {wish.last}"
    workshop.emit(Event("build-finished", spec.slug, text=text, seconds=time.monotonic() - started))
    if built:
        workshop.ready(ImageReady(spec, built.image, built.report))
    try:
        prune(workshop)
    except (LabwrightError, OSError) as error:
        workshop.emit(Event("warning", spec.slug, text=f"the cache could not be pruned: {error}"))
    return built


def _with_base(wish: Wish, base: ImageSpec, folder: Path, workshop: Workshop, out: Path) -> Wish:
    """Make the image that this one starts from, and start from what was made."""
    first = Wish(base, folder, wish.locked, wish.offline, force=wish.force, limits=wish.limits)
    built = build_image(first, workshop, out)
    assert built is not None
    sha256 = json.loads(built.report.read_text())["sha256"]
    return replace(wish, spec=starting_from(wish.spec, built.image, sha256))


def wanted_steps(steps: tuple[Step, ...], last: str) -> tuple[Step, ...]:
    """All steps, or those that are needed for the last one wanted. Raises LabwrightError (config) naming the steps."""
    if not last:
        return steps
    names = [step.name for step in steps]
    if last not in names:
        raise LabwrightError(
            f"there is no step {last!r}", cause=Cause.CONFIG, hint=f"--until takes one of: {', '.join(names)}"
        )
    return until(steps, last)
