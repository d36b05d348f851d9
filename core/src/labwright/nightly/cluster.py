"""Builds on the workers of a cluster: Dask places them, images go by way of a staging registry."""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import dask
from distributed import Client, Future
from distributed.scheduler import KilledWorker
from pydantic import TypeAdapter, ValidationError

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.nightly.child import event_of
from labwright.nightly.cluster_link import Link, check_link
from labwright.nightly.cluster_parcel import pack
from labwright.nightly.cluster_room import Needs, Room, lacking, rooms_of
from labwright.nightly.cluster_staging import Staging
from labwright.nightly.executor import Executor, Job, JobResult
from labwright.nightly.failures import failure, failure_of, line
from labwright.nightly.local import own_log
from labwright.nightly.model import Failure, StepTime
from labwright.nightly.worker import security_of
from labwright.nightly.worker_job import Order, build

DEATHS = 3
"""Workers that may die while they build an image, before that image is given up."""
PATIENCE = 15.0
"""Seconds to reach a scheduler, at first and after it went away."""
GRACE = 60.0
"""Seconds that a job waits for a worker that could take it."""
LOOK = 0.25
FRESH = 1.0
"""Seconds that what the scheduler said of its workers counts."""
DASK = {
    "distributed.comm.timeouts.connect": f"{PATIENCE:.0f}s",
    # An image's folder is sent as it is; Dask takes what is larger than 10 MB for a mistake.
    "distributed.admin.large-graph-warning-threshold": "64MiB",
}


@dataclass(frozen=True)
class Answer:
    """What a worker says of a job that ended. digest: of the manifest in the staging registry. log: of a failure."""

    worker: str = ""
    seconds: float = 0.0
    steps: tuple[StepTime, ...] = ()
    failure: Failure | None = None
    digest: str = ""
    log: str = ""


ANSWER = TypeAdapter(Answer)


@dataclass(frozen=True)
class Rules:
    """grace: seconds that a job waits for a worker that can take it. kvm: whether it has to have KVM.

    program: what workers start in place of labwright; only tests do that.
    """

    grace: float = GRACE
    kvm: bool = False
    program: tuple[str, ...] = ()


@dataclass
class _Running:
    """A job that is being built. worker: where it is meant to run; empty where no worker has room."""

    job: Job
    tell: Callable[[Event], None]
    worker: str = ""
    full: set[str] = field(default_factory=set)
    thread: threading.Thread | None = None


class ClusterExecutor(Executor):
    """A task for each job. staging: the registry by which images travel."""

    def __init__(self, link: Link, staging: Staging, rules: Rules | None = None) -> None:
        self._link = check_link(link)
        self._staging = staging
        self._rules = rules or Rules()
        self._topic = f"labwright-{uuid.uuid4().hex}"
        self._client: Client | None = None
        self._running: dict[str, _Running] = {}
        self._ended: queue.SimpleQueue[JobResult] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._lost = threading.Event()
        self._lock = threading.Lock()
        self._rooms: tuple[float, tuple[Room, ...]] = (0.0, ())

    def __enter__(self) -> Self:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        dask.config.set(DASK)
        self._connected()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for one in self._running.values():
            if one.thread:
                one.thread.join()
        self._drop()

    def admits(self, job: Job) -> bool:
        """Whether a worker has a slot and memory for it."""
        if not self._running:
            return True
        try:
            return bool(self._place(job, frozenset()))
        except LabwrightError:
            return False

    def start(self, job: Job, tell: Callable[[Event], None]) -> None:
        """The thread only waits."""
        self._connected()
        one = _Running(job, tell, self._place(job, frozenset()))
        one.thread = threading.Thread(target=self._run, args=(one,), name=f"build of {job.slug}", daemon=True)
        self._running[job.slug] = one
        one.thread.start()

    def wait(self, seconds: float) -> tuple[JobResult, ...]:
        """The jobs that have ended."""
        found = []
        try:
            found.append(self._ended.get(timeout=max(0.0, seconds)))
            while True:
                found.append(self._ended.get_nowait())
        except queue.Empty:
            pass
        for result in found:
            one = self._running.pop(result.job.slug)
            if one.thread:
                one.thread.join()
        return tuple(found)

    def _connected(self) -> Client:
        """The client, a new one where the scheduler went away since. Raises LabwrightError (network)."""
        with self._lock:
            if self._client is not None and self._client.status == "running" and not self._lost.is_set():
                return self._client
            self._drop()
            try:
                client = Client(
                    self._link.address, security=security_of(self._link), timeout=PATIENCE, set_as_default=False,
                    direct_to_workers=False, name="labwright-nightly",
                )  # fmt: skip
                # By value: a scheduler of another version says so in its own words, later.
                client.run_on_scheduler(lambda dask_scheduler, most: setattr(dask_scheduler, "allowed_failures", most),
                                        most=DEATHS - 1)  # fmt: skip
                client.subscribe_topic(self._topic, self._hear)
            except (OSError, TimeoutError, ValueError) as error:
                raise self._gone(error) from error
            self._client = client
            self._lost.clear()
            return client

    def _drop(self) -> None:
        """Dask's own client connects again by itself, but forgets its tasks and what it listened to."""
        old, self._client = self._client, None
        if old is not None:
            with contextlib.suppress(OSError, TimeoutError):
                old.close(timeout=1)

    def _gone(self, error: Exception | None = None) -> LabwrightError:
        self._lost.set()
        return LabwrightError(
            f"there is no scheduler at {self._link.address}",
            cause=Cause.NETWORK,
            details=[line(error)] if error else (),
            hint="start it (docs/cluster.md), check address and certificates; what is built stays, and the next run "
            "goes on from there",
        )

    def _hear(self, event: tuple[float, Any]) -> None:
        """An event of a build, in Dask's own thread."""
        try:
            facts = event[1]
            one, told = self._running.get(facts["slug"]), event_of(facts["event"])
        except (LookupError, TypeError):
            return
        if one is not None and told is not None:
            one.tell(told)

    def _needs(self, job: Job) -> Needs:
        return Needs(job.memory, self._rules.kvm)

    def _workers(self) -> tuple[Room, ...]:
        """What the workers offer in all. Raises LabwrightError (network)."""
        when, rooms = self._rooms
        if time.monotonic() - when > FRESH:
            try:
                rooms = rooms_of(self._connected().scheduler_info(n_workers=-1))
            except (OSError, TimeoutError, ValueError) as error:
                raise self._gone(error) from error
            self._rooms = time.monotonic(), rooms
        return rooms

    def _place(self, job: Job, without: frozenset[str]) -> str:
        """The worker with most room for a job beside what is there already; empty where none has any.

        Placed here and not by Dask, which gives a task to a worker for good, also to one that is busy, where tasks ask
        for resources.
        """
        taken: dict[str, list[Needs]] = {}
        for one in list(self._running.values()):
            if one.job is not job:
                taken.setdefault(one.worker, []).append(self._needs(one.job))
        left = [room.less(taken.get(room.address, [])) for room in self._workers()]
        fits = [room for room in left if room.address not in without and room.takes(self._needs(job))]
        return max(fits, key=lambda room: (room.slots, room.memory), default=Room("")).address

    def _run(self, one: _Running) -> None:
        job = one.job
        try:
            result = self._build(one)
        except LabwrightError as error:
            result = JobResult(job, failure_of(error), log=error.log)
        except Exception as error:  # a thread that ends without a result would be waited for for ever
            text = f"the build of {job.slug} could not be watched: {type(error).__name__}: {error}"
            result = JobResult(job, failure(text, Cause.INTERNAL.value, "this is a bug of labwright: please report it"))
        self._ended.put(result)

    def _build(self, one: _Running) -> JobResult:
        job = one.job
        say = functools.partial(self._say, one)
        parcel = pack(job.folder)
        base = ""
        if job.base is not None and parcel.bases:
            base = self._staging.push(job.base, parcel.bases[0], say)
        order = Order(
            job.slug, parcel, self._staging.place(job.slug), self._topic, base, job.locked, job.offline,
            self._rules.program,
        )  # fmt: skip
        while True:
            answer = self._once(one, order)
            full = answer.failure is not None and answer.failure.cause == Cause.DISK_FULL.value
            other = self._elsewhere(one) if full else ""
            if not other:
                break
            say(f"{answer.worker} has no room on its disk; building {job.slug} on another worker")
            one.worker = other
        if answer.failure is None:
            self._staging.fetch(job.slug, answer.digest, job.output, say)
        return JobResult(job, answer.failure, answer.steps, answer.seconds, line(answer.worker), _log(job, answer.log))

    def _say(self, one: _Running, text: str) -> None:
        """Progress of our own, while images travel. Raises LabwrightError (interrupted) where the night is to end."""
        if self._stopping.is_set():
            raise _stopped()
        one.tell(Event("progress", one.job.slug, text=text))

    def _elsewhere(self, one: _Running) -> str:
        """Another worker than those whose disks are full; empty where there is none, not even a busy one."""
        one.full.add(one.worker)
        rooms = [room for room in self._workers() if room.address not in one.full]
        fits = [room for room in rooms if room.takes(self._needs(one.job))]
        return self._place(one.job, frozenset(one.full)) or max((room.address for room in fits), default="")

    def _once(self, one: _Running, order: Order) -> Answer:
        """One task, to its end. Raises LabwrightError: interrupted, network, host where no worker can take it."""
        client = self._connected()
        key = f"{order.slug}-{uuid.uuid4().hex}"
        future = client.submit(
            build, order, key=key, pure=False, retries=0, resources=self._needs(one.job).resources,
            workers=[one.worker] if one.worker else None, allow_other_workers=bool(one.worker),
        )  # fmt: skip
        try:
            self._await(client, future, one)
            return self._answer(client, future, one)
        finally:
            # Of a task that is over this does nothing; of one that is not, its worker hears that nobody waits for it.
            if not future.done() and client.status == "running":
                client.cancel([future], force=True)
            future.release()

    def _await(self, client: Client, future: Future, one: _Running) -> None:
        waiting = time.monotonic()
        while not future.done():
            if self._stopping.wait(LOOK):
                raise _stopped()
            if client.status != "running":
                raise self._gone()
            rooms = self._workers()
            if any(room.takes(self._needs(one.job)) for room in rooms):
                waiting = time.monotonic()
            elif time.monotonic() - waiting > self._rules.grace:
                raise LabwrightError(
                    f"no worker can build {one.job.slug}: {lacking(self._needs(one.job), rooms)}",
                    cause=Cause.HOST,
                    hint="start one that can: labwright worker --scheduler ADDRESS says what its machine offers",
                )

    def _answer(self, client: Client, future: Future, one: _Running) -> Answer:
        slug = one.job.slug
        if future.status == "cancelled":
            raise self._gone()
        error = future.exception(timeout=PATIENCE) if future.status == "error" else None
        if isinstance(error, KilledWorker):
            last = getattr(error.last_worker, "name", "")
            return Answer(str(last), failure=failure(
                f"{DEATHS} workers died while they built {slug}", Cause.HOST.value,
                "look at the last one's own log (journalctl; dmesg shows what the kernel killed for want of memory), "
                "and build it there alone: labwright build",
                [f"the last one: {last}"],
            ))  # fmt: skip
        if error is not None:
            return Answer(failure=failure(
                f"the worker could not build {slug}: {type(error).__name__}: {error}", Cause.INTERNAL.value,
                "is the same labwright installed on every machine of the cluster? if so, please report this",
            ))  # fmt: skip
        try:
            return ANSWER.validate_python(future.result(timeout=PATIENCE))
        except (ValidationError, TimeoutError) as broken:
            raise LabwrightError(
                f"the worker's answer about {slug} cannot be read",
                cause=Cause.INTERNAL,
                hint="is the same labwright installed on every machine of the cluster?",
            ) from broken


def _stopped() -> LabwrightError:
    return LabwrightError("the nightly build was stopped", cause=Cause.INTERRUPTED, hint="run it again")


def _log(job: Job, text: str) -> Path | None:
    if not text:
        return None
    place = own_log(job)
    place.write_text(text, encoding="utf-8", errors="replace")
    return place
