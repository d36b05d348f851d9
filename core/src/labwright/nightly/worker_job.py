"""What a worker of a cluster does for one image: its folder in, a build as a process of its own, the image out."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin, get_worker
from distributed.core import Status

from labwright import __version__
from labwright.errors import Cause, LabwrightError, os_error
from labwright.hooks import Event
from labwright.host.paths import Paths
from labwright.host.run import Completed
from labwright.nightly.child import Transcript
from labwright.nightly.cluster_parcel import Parcel, unpack
from labwright.nightly.cluster_staging import KIND
from labwright.nightly.executor import Job
from labwright.nightly.failures import failure_of, keep_log
from labwright.nightly.local import command, own_log, run_build
from labwright.nightly.worker_clean import give_back
from labwright.pipeline.runner import scratch_folder
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager
from labwright.publish.delivered import read_delivered
from labwright.publish.kinds import kind_named
from labwright.publish.publish import PublishOptions, publish
from labwright.publish.pull import PullOptions, pull
from labwright.registry.reference import parse_reference
from labwright.registry.transport import Access

LARGEST_LOG = 1 << 20
"""Bytes of a failed build's log that go to the coordinator."""
PAUSE = 0.25
"""Seconds between two words of progress that are passed on: they go through the scheduler, for every image."""


@dataclass(frozen=True)
class Order:
    """A job as it travels. place: the repository and tag in the staging registry that the image goes to.

    base: the image to start from there, by its digest; empty for none. topic: for events. program: what is started in
    place of labwright; only tests do that. labwright: the version that wants it.
    """

    slug: str
    parcel: Parcel
    place: str
    topic: str
    base: str = ""
    locked: bool = False
    offline: bool = False
    program: tuple[str, ...] = ()
    labwright: str = __version__


class Settings(WorkerPlugin):  # type: ignore[misc]
    """What a worker knows of its own machine: how it reaches the staging registry, and who hears what is wrong here."""

    name = "labwright"

    def __init__(self, access: Access, say: Callable[[str], None]) -> None:
        self.access = access
        self.say = say


@dataclass
class _Voice:
    """Events to the coordinator, and whether anybody still waits for this job."""

    topic: str
    slug: str
    worker: Any = field(default_factory=get_worker)
    said: float = 0.0

    def __post_init__(self) -> None:
        self.key = self.worker.get_current_task()

    def tell(self, event: Event) -> None:
        """Pass an event on; of words of progress not each one."""
        now = time.monotonic()
        if event.kind == "progress":
            if now - self.said < PAUSE:
                return
            self.said = now
        self.worker.log_event(self.topic, {"slug": self.slug, "event": asdict(event)})

    def say(self, text: str) -> None:
        """Progress of our own. Raises LabwrightError (interrupted) where nobody waits any more."""
        if stopped := self.stopped():
            raise stopped
        self.tell(Event("progress", self.slug, text=text))

    def stopped(self) -> LabwrightError | None:
        """The error to end with, where the coordinator is gone or has changed its mind, or this worker is to end."""
        task = self.worker.state.tasks.get(self.key)
        wanted = task is not None and task.state == "executing"
        if wanted and self.worker.status in {Status.running, Status.paused}:
            return None
        return LabwrightError("the job was called off", cause=Cause.INTERRUPTED, hint="run the nightly build again")


def build(order: Order) -> dict[str, Any]:
    """Build one image here and push what was delivered. Returns how it ended, as plain values of cluster_answer.Answer.

    The files do not go by way of the scheduler; the digest of the manifest that they are under does.
    """
    started = time.monotonic()
    result: dict[str, Any] = {"worker": platform.node(), "steps": [], "failure": None, "digest": "", "log": ""}
    try:
        _build(order, result)
    except LabwrightError as error:
        result["failure"] = asdict(failure_of(error))
    except OSError as error:
        result["failure"] = asdict(failure_of(os_error(error, f"building {order.slug} on {platform.node()}")))
    return result | {"seconds": round(time.monotonic() - started, 3)}


def _build(order: Order, result: dict[str, Any]) -> None:
    if order.labwright != __version__:
        raise LabwrightError(
            f"the worker {platform.node()} has labwright {__version__}, and {order.labwright} asks it to build",
            cause=Cause.HOST,
            hint="install the same version on every machine of the cluster",
        )
    voice = _Voice(order.topic, order.slug)
    settings = get_worker().plugins[Settings.name]
    access = settings.access.until(voice.stopped)
    paths = Paths.from_environment()
    paths.ensure()
    workshop = Workshop(paths, hook_manager()[0])
    with scratch_folder(paths, workshop.ledger) as scratch:
        bench = workshop.runner(order.slug).workbench(scratch, voice.say, scratch / "log")
        folder = unpack(order.parcel, _made(scratch / "images"))
        base = None
        if order.base:
            base = _made(scratch / "base")
            pull(parse_reference(order.base), base, PullOptions(access), bench)
        job = Job(order.slug, folder, _made(scratch / "out"), base, order.locked, order.offline)
        said = Transcript(order.slug, voice.tell)
        child = None
        try:
            child = _child(job, order, voice, said)
        finally:
            # What it held, a build that was killed cannot give back by itself; called off, it may have been.
            if child is None or child.code < 0:
                _give_back(paths, voice, settings)
        result["steps"] = [asdict(step) for step in said.steps]
        failed = said.failure(child)
        if failed is not None:
            result["failure"] = asdict(failed)
            result["log"] = _text(said.log(paths.logs) or own_log(job), job.output.with_name("kept"))
            return
        delivered = read_delivered(job.output / f"{order.slug}.qcow2")
        options = PublishOptions(access, force=True)
        done = publish(delivered, parse_reference(order.place), kind_named(KIND), options, bench)
        result["digest"] = done.digest


def _child(job: Job, order: Order, voice: _Voice, said: Transcript) -> Completed:
    """Run the build. Raises LabwrightError where it was called off or took too long."""
    words = command(job)
    program = [*order.program, *words[words.index("build") :]] if order.program else words
    return run_build(program, job, said, voice.stopped)


def _give_back(paths: Paths, voice: _Voice, settings: Settings) -> None:
    """Say what would not go here and, if it still listens, to the coordinator."""
    for text in give_back(paths):
        settings.say(text)
        # A worker that ends is connected no more.
        with contextlib.suppress(OSError):
            voice.tell(Event("progress", voice.slug, text=text))


def _text(log: Path, place: Path) -> str:
    if not log.is_file():
        return ""
    keep_log(log, place)
    return place.read_text(encoding="utf-8")[-LARGEST_LOG:]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
