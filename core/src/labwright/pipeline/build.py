"""Building one image: what the mirrors give, the steps, and the outputs put where the user wants them."""

from __future__ import annotations

import json
import os
import platform
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import pluggy

from labwright import __version__
from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event, ImageReady, LintFinding
from labwright.host.environment import find_tool
from labwright.host.files import write_whole
from labwright.host.ledger import Ledger, copy_whole
from labwright.host.paths import Paths
from labwright.host.probes import BUILD_GIB
from labwright.interfaces import Bootstrapper, Pins
from labwright.pipeline.runner import Runner, default_jobs, scratch_folder
from labwright.pipeline.stage1 import Recipe, choose_release, image_steps, kernel_files, kernel_steps
from labwright.pipeline.steps import Planned, plan
from labwright.pipeline.store import Store, Stored, file_digest, text_digest
from labwright.plugins import bootstrapper
from labwright.spec.image import ImageSpec

CORE_TOOLS = (
    "unshare", "setpriv", "tar", "make", "gcc", "flex", "bison", "bc", "sfdisk", "mke2fs", "grub-mkimage", "mcopy",
    "mkfs.vfat", "qemu-img", "qemu-system-x86_64",
)  # fmt: skip


@dataclass(frozen=True)
class Workshop:
    """Where builds happen on this host, and who listens."""

    paths: Paths
    hooks: pluggy.PluginManager

    @property
    def ledger(self) -> Ledger:
        """What builds hold now."""
        return Ledger(self.paths.ledger)

    @property
    def store(self) -> Store:
        """What builds have made."""
        return Store(self.paths.store, self.ledger)

    def emit(self, event: Event) -> None:
        """Tell everybody who listens."""
        self.hooks.hook.labwright_event(event=event)

    def runner(self, image: str, epoch: int) -> Runner:
        """A runner for one image."""
        return Runner(image, self.paths, self.store, self.ledger, self.emit, default_jobs(), epoch)


@dataclass(frozen=True)
class Built:
    """What a build left in the output folder."""

    image: Path
    report: Path
    kernel: Path


def epoch_of(pins: Pins) -> int:
    """SOURCE_DATE_EPOCH where it is set (reproducible-builds.org/specs), else the date of the archive's state."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given and not given.isdigit():
        raise LabwrightError(
            f"SOURCE_DATE_EPOCH is {given!r}, not a number of seconds", cause=Cause.CONFIG, hint="unset it or mend it"
        )
    return int(given) if given else pins.epoch


def preflight(driver: Bootstrapper, workshop: Workshop, out: Path | None) -> None:
    """Fail now rather than at the last step: tools, rights, space."""
    for tool in (*CORE_TOOLS, *driver.distribution.tools):
        find_tool(tool)
    if os.geteuid() != 0:
        raise LabwrightError(
            "stage 1 needs root: it sets owners and runs the packages' own scripts in the new system",
            cause=Cause.HOST,
            hint="run it with sudo; builds as an ordinary user are not there yet",
        )
    workshop.paths.ensure()
    if out is not None:
        writable(out)
    space = os.statvfs(workshop.paths.root)
    free = space.f_bavail * space.f_frsize / 2**30
    if free < BUILD_GIB and workshop.store.newest("kernel") is None:
        raise LabwrightError(
            f"{workshop.paths.root} has {free:.1f} GiB free, and a build with a kernel needs {BUILD_GIB}",
            cause=Cause.DISK_FULL,
            hint="free some space, or set LABWRIGHT_CACHE to a folder on a larger disk",
        )


def writable(out: Path) -> None:
    """Make the output folder and try to write in it."""
    probe = out / f".labwright-{uuid.uuid4().hex[:8]}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LabwrightError(
            f"the output folder {out} cannot be written: {error.strerror}",
            cause=Cause.CONFIG,
            hint="choose another with --out, or mend its owner and mode",
        ) from error


def lint(spec: ImageSpec, workshop: Workshop) -> list[LintFinding]:
    """What the installed checks think of the image. Raises LabwrightError at an error."""
    findings = [finding for found in workshop.hooks.hook.labwright_lint_image(spec=spec) for finding in found]
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        raise LabwrightError(
            f"{spec.slug}: {errors[0].message}",
            cause=Cause.CONFIG,
            hint=errors[0].remedy,
            details=[finding.message for finding in errors[1:]],
        )
    return findings


def _pins_file(spec: ImageSpec, workshop: Workshop) -> Path:
    build = spec.build
    name = text_digest(
        build.type, str(build.release), str(build.mirror), str(build.security_mirror), str(build.keyring)
    )
    return workshop.paths.root / "pins" / f"{name[:32]}.json"


def known_pins(spec: ImageSpec, workshop: Workshop) -> Pins | None:
    """What the mirrors gave when they were last asked."""
    try:
        return Pins(**json.loads(_pins_file(spec, workshop).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def ask_mirrors(spec: ImageSpec, driver: Bootstrapper, workshop: Workshop, offline: bool) -> Pins:
    """What the mirrors give now; offline, what they gave last."""
    if offline:
        pins = known_pins(spec, workshop)
        if pins is None:
            raise LabwrightError(
                "--offline, but the mirrors have never been asked for this image",
                cause=Cause.NETWORK,
                hint="build it once without --offline",
            )
        return pins
    runner = workshop.runner(spec.slug, 0)
    event = Event("step-started", spec.slug, "resolve", "Ask the mirrors")
    workshop.emit(event)
    started = time.monotonic()
    with scratch_folder(workshop.paths, workshop.ledger) as scratch:
        log = workshop.paths.logs / "resolve.log"
        log.unlink(missing_ok=True)
        try:
            pins = driver.resolve(spec, runner.workbench(scratch, lambda _: None, log))
        except LabwrightError as error:
            workshop.emit(Event("step-failed", spec.slug, "resolve", str(error)))
            raise
    place = _pins_file(spec, workshop)
    place.parent.mkdir(exist_ok=True)
    write_whole(place, json.dumps(asdict(pins)))
    seconds = time.monotonic() - started
    workshop.emit(Event("step-finished", spec.slug, "resolve", "Ask the mirrors", "ran", seconds))
    return pins


def plan_image(spec: ImageSpec, workshop: Workshop) -> list[Planned]:
    """What a build would do, and why. Touches nothing and asks no mirror."""
    driver = bootstrapper(spec.build.type)
    release = choose_release(spec, driver)
    pins = known_pins(spec, workshop)
    recipe = Recipe(spec, driver, release, pins or Pins("", ""))
    return plan(image_steps(recipe), workshop.store, pinned=pins is not None)


def build_kernel_only(spec: ImageSpec, workshop: Workshop, offline: bool = False) -> dict[str, Stored]:
    """The kernel's steps: source, kernel, package."""
    driver = bootstrapper(spec.build.type)
    release = choose_release(spec, driver)
    preflight(driver, workshop, None)
    pins = ask_mirrors(spec, driver, workshop, offline)
    steps = kernel_steps(Recipe(spec, driver, release, pins))
    return workshop.runner(f"{spec.build.type}-kernel", epoch_of(pins)).run(steps)


def build_image(spec: ImageSpec, workshop: Workshop, out: Path, offline: bool = False) -> Built:
    """Stage 1, whole. Raises LabwrightError; what was made before the failure is kept for the next run."""
    driver = bootstrapper(spec.build.type)
    release = choose_release(spec, driver)
    preflight(driver, workshop, out)
    lint(spec, workshop)
    workshop.emit(Event("build-started", spec.slug, text=f"{driver.distribution.title} {release.name}"))
    started = time.monotonic()
    pins = ask_mirrors(spec, driver, workshop, offline)
    recipe = Recipe(spec, driver, release, pins)
    done = workshop.runner(spec.slug, epoch_of(pins)).run(image_steps(recipe))
    built = deliver(recipe, done, out, workshop.ledger)
    workshop.emit(Event("build-finished", spec.slug, text=str(built.image), seconds=time.monotonic() - started))
    workshop.hooks.hook.labwright_image_ready(ready=ImageReady(spec, built.image, built.report))
    return built


def deliver(recipe: Recipe, done: dict[str, Stored], out: Path, ledger: Ledger) -> Built:
    """Put image, kernel and report in the output folder. The report comes last: it vouches for the rest."""
    slug = recipe.image.slug
    built = Built(out / f"{slug}.qcow2", out / f"{slug}.json", out / f"{slug}-kernel")
    built.kernel.mkdir(exist_ok=True)
    wanted = {built.image: (done["disk"], "disk.qcow2")}
    for name in ("bzImage", "vmlinux", "config", "modules.tar", "release"):
        wanted[built.kernel / name] = (done["kernel"], name)
    wanted[built.kernel / "kernel.package"] = (done["kernel-package"], "kernel.package")
    for place, (stored, name) in wanted.items():
        if not _same(place, stored, name):
            copy_whole(stored.folder / name, place, ledger)
    report = _report(recipe, done)
    if not built.report.is_file() or built.report.read_text() != report:
        write_whole(built.report, report)
    return built


def _same(place: Path, stored: Stored, name: str) -> bool:
    facts = stored.files[name]
    return place.is_file() and place.stat().st_size == facts["size"] and file_digest(place) == facts["sha256"]


def _report(recipe: Recipe, done: dict[str, Stored]) -> str:
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
        "host": platform.machine(),
        "steps": {name: {"key": stored.key, "seconds": round(stored.seconds, 2)} for name, stored in done.items()},
        "tests": proof,
    }
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"
