"""What the mirrors give: asked now, as they answered last, or as a lock says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.host.paths import Paths
from labwright.interfaces import Bootstrapper, Pins
from labwright.pipeline.runner import scratch_folder
from labwright.pipeline.store import text_digest
from labwright.pipeline.workshop import Workshop
from labwright.spec.image import ImageSpec
from labwright.spec.pins import LOCK_FILE, check_fits, read_pins


def pins_file(spec: ImageSpec, paths: Paths) -> Path:
    """Where the last answer for such an image is kept."""
    build = spec.build
    name = text_digest(build.type, str(build.release), str(build.mirror), str(build.security_mirror),
                       str(build.keyring), str(build.unsigned_lists), build.snapshot, *build.packages)  # fmt: skip
    return paths.root / "pins" / f"{name[:32]}.json"


def known_pins(spec: ImageSpec, workshop: Workshop) -> Pins | None:
    """What the mirrors gave when they were last asked."""
    try:
        return read_pins(pins_file(spec, workshop.paths))
    except LabwrightError:
        return None


def last_pins(spec: ImageSpec, driver: Bootstrapper, release: str, workshop: Workshop) -> Pins:
    """What the mirrors gave when they were last asked. Raises LabwrightError (network) if they never were."""
    pins = known_pins(spec, workshop)
    asked = driver.distribution.asked(spec)
    if pins is not None and (pins.release, set(pins.asked)) != (release, set(asked)):
        pins = None
    if pins is None:
        raise LabwrightError(
            "--offline, but the mirrors have never been asked for this image",
            cause=Cause.NETWORK,
            hint="build it once without --offline, or give its lock with --locked",
        )
    return pins


def locked_pins(spec: ImageSpec, driver: Bootstrapper, release: str, folder: Path) -> Pins:
    """What the lock beside image.meta.yaml says. Raises LabwrightError (config) when it is not for this image."""
    path = (folder if folder.is_dir() else folder.parent) / LOCK_FILE
    pins = read_pins(path)
    check_fits(pins, path, spec, release, driver.distribution.asked(spec))
    return pins


def ask_mirrors(spec: ImageSpec, driver: Bootstrapper, workshop: Workshop, snapshot: str = "") -> Pins:
    """What the mirrors give now, or gave at the date `snapshot` instead of the image's own; only the first is kept."""
    event = Event("step-started", spec.slug, "resolve", "Ask the mirrors")
    workshop.emit(event)
    started = time.monotonic()
    log = workshop.paths.logs / "resolve.log"
    log.unlink(missing_ok=True)
    with scratch_folder(workshop.paths, workshop.ledger) as scratch:
        bench = workshop.runner(spec.slug).workbench(scratch, _progress(spec, workshop, started), log)
        try:
            pins = driver.resolve(spec, bench, snapshot or spec.build.snapshot)
        except LabwrightError as error:
            workshop.emit(Event("step-failed", spec.slug, "resolve", str(error)))
            raise
    if not snapshot:
        place = pins_file(spec, workshop.paths)
        place.parent.mkdir(exist_ok=True)
        pins.write(place)
    seconds = time.monotonic() - started
    workshop.emit(Event("step-finished", spec.slug, "resolve", "Ask the mirrors", "ran", seconds))
    return pins


def _progress(spec: ImageSpec, workshop: Workshop, started: float) -> Callable[[str], None]:
    def say(text: str) -> None:
        workshop.emit(Event("progress", spec.slug, "resolve", text, seconds=time.monotonic() - started))

    return say
