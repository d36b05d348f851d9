"""Building one image: what the mirrors give, the steps, and the outputs put where the user wants them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event, ImageReady
from labwright.interfaces import Bootstrapper, KernelFiles, Package, Pins, Release
from labwright.pipeline import mirrors
from labwright.pipeline.deliver import Built, deliver, deliver_kernel
from labwright.pipeline.preflight import check_host, check_room, lint
from labwright.pipeline.prune import limit, prune
from labwright.pipeline.stage1 import Recipe, choose_release, image_steps, kernel_files, kernel_steps
from labwright.pipeline.steps import Planned, Step, plan, until
from labwright.pipeline.store import Stored
from labwright.pipeline.workshop import Workshop, source_date_epoch
from labwright.plugins import bootstrapper
from labwright.spec.image import ImageSpec

NO_PACKAGE = Package(
    name="unknown", version="0", architecture="all", sha256="0" * 64, size=1, mirror="archive", path="unknown"
)
NO_PINS = Pins(type="", release="", asked=(), mirrors={}, kernel_source=NO_PACKAGE, packages=())
"""For a plan before the mirrors were ever asked."""


@dataclass(frozen=True)
class Wish:
    """What a build is asked for. folder: of image.meta.yaml. locked, offline: where versions come from.

    last: the step to stop after, empty for all. force: start whatever the estimate says.
    """

    spec: ImageSpec
    folder: Path
    locked: bool = False
    offline: bool = False
    last: str = ""
    force: bool = False


def prepared(spec: ImageSpec) -> tuple[Bootstrapper, Release]:
    """The driver and the release. Raises LabwrightError (plugin, config)."""
    driver = bootstrapper(spec.build.type)
    return driver, choose_release(spec, driver)


def pins_for(wish: Wish, driver: Bootstrapper, release: Release, workshop: Workshop) -> Pins:
    """The packages of this build: from the lock, from the last answer, or from the mirrors now."""
    if wish.locked:
        return mirrors.locked_pins(wish.spec, driver, release.name, wish.folder)
    if wish.offline:
        return mirrors.last_pins(wish.spec, driver, release.name, workshop)
    return mirrors.ask_mirrors(wish.spec, driver, workshop)


def plan_image(wish: Wish, workshop: Workshop) -> list[Planned]:
    """What a build would do, and why. Touches nothing and asks no mirror. Raises LabwrightError (config)."""
    driver, release = prepared(wish.spec)
    if wish.locked:
        pins = mirrors.locked_pins(wish.spec, driver, release.name, wish.folder)
    else:
        pins = mirrors.known_pins(wish.spec, workshop) or NO_PINS
    steps = wanted_steps(image_steps(Recipe(wish.spec, driver, release, pins, source_date_epoch())), wish.last)
    return plan(steps, workshop.store, pinned=pins is not NO_PINS)


def lock_image(wish: Wish, workshop: Workshop, snapshot: str) -> Pins:
    """What the mirrors give now, or gave at a date, for the lock beside image.meta.yaml."""
    driver, _ = prepared(wish.spec)
    check_host(driver, workshop, None)
    return mirrors.ask_mirrors(wish.spec, driver, workshop, snapshot)


def build_kernel_only(wish: Wish, workshop: Workshop, place: Path) -> KernelFiles:
    """The kernel's steps: source, kernel, package; and the kernel in the folder `place`."""
    driver, release = prepared(wish.spec)
    check_host(driver, workshop, None)
    pins = pins_for(wish, driver, release, workshop)
    steps = kernel_steps(Recipe(wish.spec, driver, release, pins, source_date_epoch()))
    check_room(plan(steps, workshop.store), workshop, None)

    def put(done: dict[str, Stored]) -> KernelFiles:
        deliver_kernel(done, place, workshop)
        return KernelFiles(place, kernel_files(done["kernel"]).release)

    return workshop.runner(f"{wish.spec.build.type}-kernel").run(steps, put)


def build_image(wish: Wish, workshop: Workshop, out: Path) -> Built | None:
    """Stage 1, whole, or to the step that was asked for, which delivers nothing.

    Raises LabwrightError; what was made before the failure is kept for the next run.
    """
    spec = wish.spec
    driver, release = prepared(spec)
    check_host(driver, workshop, out)
    lint(spec, workshop)
    limit()
    planned = plan_image(wish, workshop)
    if mirrors.known_pins(spec, workshop) is None and not wish.locked:
        # Which steps run is not known yet; the ones that never ran will.
        planned = [step for step in planned if step.last is None]
    if not wish.force:
        check_room(planned, workshop, None if wish.last else out)
    workshop.emit(Event("build-started", spec.slug, text=f"{driver.distribution.title} {release.name}"))
    started = time.monotonic()
    recipe = Recipe(spec, driver, release, pins_for(wish, driver, release, workshop), source_date_epoch())
    steps = wanted_steps(image_steps(recipe), wish.last)
    if not wish.force:
        check_room(plan(steps, workshop.store), workshop, None if wish.last else out)

    def put(done: dict[str, Stored]) -> Built | None:
        return None if wish.last else deliver(recipe, done, out, wish.locked, workshop)

    built = workshop.runner(spec.slug).run(steps, put)
    text = str(built.image) if built else f"the step {wish.last}"
    workshop.emit(Event("build-finished", spec.slug, text=text, seconds=time.monotonic() - started))
    if built:
        workshop.hooks.hook.labwright_image_ready(ready=ImageReady(spec, built.image, built.report))
    try:
        prune(workshop)
    except (LabwrightError, OSError) as error:
        workshop.emit(Event("warning", spec.slug, text=f"the cache could not be pruned: {error}"))
    return built


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
