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
from pydantic import ValidationError

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.host.interrupts import undisturbed
from labwright.host.text import line
from labwright.nightly.child import event_of
from labwright.nightly.cluster_answer import ANSWER, Answer, broken_off, given_up
from labwright.nightly.cluster_link import Link, check_link, trouble
from labwright.nightly.cluster_parcel import pack
from labwright.nightly.cluster_room import Needs, Room, lacking, rooms_of
from labwright.nightly.cluster_staging import Staging
from labwright.nightly.executor import Executor, Job, JobResult, ended_within, stopped
from labwright.nightly.failures import failure, failure_of
from labwright.nightly.local import LONGEST, own_log
from labwright.nightly.worker import security_of
from labwright.nightly.worker_job import Order, build

DEATHS = 3
"""Workers that may die while they build an image, before that image is given up. Counted here, not by the scheduler:
it counts a task, and a task of ours is for one worker."""
PATIENCE = 15.0
"""Seconds to reach a scheduler, at first and after it went away."""
GRACE = 60.0
"""Seconds that a job waits for a worker that could take it."""
SILENCE = LONGEST + 3600
"""Seconds that nothing is heard of a job, before it is given up: a worker ends a build itself after LONGEST."""
LOOK = 0.25
FRESH = 1.0
"""Seconds that what the scheduler said of its workers counts."""
DASK = {
    "distributed.comm.timeouts.connect": f"{PATIENCE:.0f}s",
    # An image's folder is sent as it is; Dask takes what is larger than 10 MB for a mistake.
    "distributed.admin.large-graph-warning-threshold": "64MiB",
}


NOWHERE = Room("")


@dataclass(frozen=True)
class Rules:
    """grace: seconds that a job waits for a worker that can take it. kvm: whether it has to have KVM.

    silence: seconds, see SILENCE. program: what workers start in place of labwright; only tests do that.
    """

    grace: float = GRACE
    silence: float = SILENCE
    kvm: bool = False
    program: tuple[str, ...] = ()


@dataclass
class _Running:
    """A job that is being built. room: of the worker that has it; NOWHERE while it waits for one.

    full: addresses of workers whose disks are. died: names of workers that did. heard: when something was heard of it.
    """

    job: Job
    tell: Callable[[Event], None]
    room: Room = NOWHERE
    full: set[str] = field(default_factory=set)
    died: list[str] = field(default_factory=list)
    heard: float = field(default_factory=time.monotonic)
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
        self._placing = threading.Lock()
        self._rooms: tuple[float, tuple[Room, ...]] = (0.0, ())

    def __enter__(self) -> Self:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        dask.config.set(DASK)
        self._connected()
        return self

    @undisturbed()
    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for one in self._running.values():
            if one.thread:
                one.thread.join()
        self._drop()

    def admits(self, job: Job) -> bool:
        """Whether a worker has a slot and memory for it, and no job that was begun waits for one."""
        if not self._running:
            return True
        if any(one.room is NOWHERE for one in self._running.values()):
            return False
        try:
            return self._place(job, frozenset()) is not NOWHERE
        except LabwrightError:
            return False

    def start(self, job: Job, tell: Callable[[Event], None]) -> None:
        """The thread only waits."""
        self._connected()
        one = _Running(job, tell)
        thread = threading.Thread(target=self._run, args=(one,), name=f"build of {job.slug}", daemon=True)
        with self._placing:
            one.room = self._place(job, frozenset())
            with undisturbed():
                self._running[job.slug] = one
                thread.start()
                # Last: what is here is waited for at the end, which one that was not started has not.
                one.thread = thread

    def wait(self, seconds: float) -> tuple[JobResult, ...]:
        """The jobs that have ended."""
        found = ended_within(seconds, self._ended)
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
                self._client = Client(
                    self._link.address, security=security_of(self._link), timeout=PATIENCE, set_as_default=False,
                    direct_to_workers=False, name="labwright-nightly",
                )  # fmt: skip
                self._client.subscribe_topic(self._topic, self._hear)
            except (OSError, TimeoutError, ValueError) as error:
                self._lost.set()
                raise self._unreachable(error) from error
            # Another scheduler knows other workers.
            self._rooms = 0.0, ()
            self._lost.clear()
            return self._client

    def _drop(self) -> None:
        """Dask's own client connects again by itself, but forgets its tasks and what it listened to."""
        old, self._client = self._client, None
        if old is not None:
            with contextlib.suppress(OSError, TimeoutError):
                old.close(timeout=1)

    def _gone(self, client: Client, error: Exception | None = None) -> LabwrightError:
        """The error for a client that lost its scheduler. A late job of an old one says nothing about the new one."""
        with self._lock:
            if client is self._client:
                self._lost.set()
        return self._unreachable(error)

    def _unreachable(self, error: Exception | None) -> LabwrightError:
        words = trouble(self._link, error)
        return LabwrightError(
            f"there is no scheduler at {self._link.address}" + (f": {words}" if words else ""),
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
            one.heard = time.monotonic()
            one.tell(told)

    def _needs(self, job: Job) -> Needs:
        return Needs(job.memory, self._rules.kvm)

    def _workers(self) -> tuple[Room, ...]:
        """What the workers offer in all. Raises LabwrightError (network)."""
        when, rooms = self._rooms
        if time.monotonic() - when > FRESH:
            client = self._connected()
            try:
                rooms = rooms_of(client.scheduler_info(n_workers=-1))
            except (OSError, TimeoutError, ValueError) as error:
                raise self._gone(client, error) from error
            self._rooms = time.monotonic(), rooms
        return rooms

    def _place(self, job: Job, without: frozenset[str]) -> Room:
        """The worker with most room for a job beside what is there already; NOWHERE where none has any.

        Placed here and not by Dask, which gives a task to a worker for good, also to one that is busy, where tasks ask
        for resources.
        """
        taken: dict[str, list[Needs]] = {}
        for one in list(self._running.values()):
            if one.job is not job:
                taken.setdefault(one.room.address, []).append(self._needs(one.job))
        left = [room.less(taken.get(room.address, [])) for room in self._workers()]
        fits = [room for room in left if room.address not in without and room.takes(self._needs(job))]
        return max(fits, key=lambda room: (room.slots, room.memory), default=NOWHERE)

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
            base = self._staging.push(job.base, parcel.bases[0], say, self._stop)
        order = Order(
            job.slug, parcel, self._staging.place(job.slug), self._topic, base, job.locked, job.offline,
            self._rules.program,
        )  # fmt: skip
        while True:
            answer = self._once(one, order)
            full = answer.failure is not None and answer.failure.cause == Cause.DISK_FULL.value
            if not full or not self._elsewhere(one):
                break
            say(f"{answer.worker} has no room on its disk; building {job.slug} on another worker")
            one.room = NOWHERE
        if answer.failure is None:
            self._staging.fetch(job.slug, answer.digest, job.output, say, self._stop)
        return JobResult(job, answer.failure, answer.steps, answer.seconds, line(answer.worker), _log(job, answer.log))

    def _say(self, one: _Running, text: str) -> None:
        """Progress of our own, while images travel. Raises LabwrightError (interrupted) where the night is to end."""
        if error := self._stop():
            raise error
        one.tell(Event("progress", one.job.slug, text=text))

    def _stop(self) -> LabwrightError | None:
        return stopped() if self._stopping.is_set() else None

    def _elsewhere(self, one: _Running) -> bool:
        """Whether there is another worker than those whose disks are full, and be it a busy one."""
        one.full.add(one.room.address)
        return any(room.takes(self._needs(one.job)) for room in self._workers() if room.address not in one.full)

    def _once(self, one: _Running, order: Order) -> Answer:
        """One build, to its end; where its worker dies, on another one from the beginning.

        Raises LabwrightError: interrupted, network, host where no worker can take it.
        """
        while len(one.died) < DEATHS:
            if one.room is NOWHERE:
                self._settle(one)
            answer = self._task(one, order)
            if answer is not None:
                return answer
            one.died.append(line(one.room.name))
            one.room = NOWHERE
        return given_up(order.slug, one.died)

    def _settle(self, one: _Running) -> None:
        """Wait until a worker has room for it. Raises LabwrightError (host) where none could have any, for a while."""
        needs, waiting = self._needs(one.job), time.monotonic()
        while True:
            with self._placing:
                one.room = self._place(one.job, frozenset(one.full))
            if one.room is not NOWHERE:
                return
            rooms = [room for room in self._workers() if room.address not in one.full]
            if any(room.takes(needs) for room in rooms):
                waiting = time.monotonic()
            elif time.monotonic() - waiting > self._rules.grace:
                raise LabwrightError(
                    f"no worker can build {one.job.slug}: {lacking(needs, rooms)}",
                    cause=Cause.HOST,
                    hint="start one that can: labwright worker --scheduler ADDRESS says what its machine offers",
                    details=[f"{name} died while it built it" for name in one.died],
                )
            if self._stopping.wait(LOOK):
                raise stopped()

    def _task(self, one: _Running, order: Order) -> Answer | None:
        """One task for one worker, to its end; None where that worker died. Raises LabwrightError."""
        client = self._connected()
        one.heard = time.monotonic()
        try:
            # For this worker alone: Dask takes "or another" for one that has not what the task asks for as well.
            future = client.submit(
                build, order, key=f"{order.slug}-{uuid.uuid4().hex}", pure=False, retries=0,
                resources=self._needs(one.job).resources, workers=[one.room.address],
            )  # fmt: skip
        except Exception as error:  # Dask has no type for a client that is closed
            if client.status == "running":
                raise
            raise self._gone(client, error) from error
        try:
            return self._answer(client, future, one) if self._await(client, future, one) else None
        finally:
            # Of a task that is over this does nothing; of one that is not, its worker hears that nobody waits for it.
            if not future.done() and client.status == "running":
                client.cancel([future], force=True)
            future.release()

    def _await(self, client: Client, future: Future, one: _Running) -> bool:
        """Wait for its end; False where its worker is gone. Raises LabwrightError: interrupted, network, host."""
        while not future.done():
            if self._stopping.wait(LOOK):
                raise stopped()
            if client.status != "running":
                raise self._gone(client)
            if not self._there(client, one):
                # Its last word may have come with that.
                return bool(future.done())
            if time.monotonic() - one.heard > self._rules.silence:
                raise LabwrightError(
                    f"nothing was heard of the build of {one.job.slug} on {line(one.room.name)} for "
                    f"{self._rules.silence:.0f} s",
                    cause=Cause.HOST,
                    hint="look at that worker's log, and start it again",
                )
        return True

    def _there(self, client: Client, one: _Running) -> bool:
        """Whether the scheduler still has its worker. Raises LabwrightError (network)."""
        rooms = self._workers()
        if client is not self._client:
            # Another scheduler by now; what it has not is not dead.
            raise self._gone(client)
        return any(room.address == one.room.address for room in rooms)

    def _answer(self, client: Client, future: Future, one: _Running) -> Answer | None:
        """What its task came to; None where its worker died."""
        slug = one.job.slug
        if future.status == "cancelled":
            raise self._gone(client)
        error = future.exception(timeout=PATIENCE) if future.status == "error" else None
        if isinstance(error, KilledWorker):
            return None
        if error is not None:
            return broken_off(slug, error)
        try:
            return ANSWER.validate_python(future.result(timeout=PATIENCE))
        except (ValidationError, TimeoutError) as broken:
            if isinstance(broken, TimeoutError) and not self._there(client, one):
                # It died with the answer.
                return None
            raise LabwrightError(
                f"the worker's answer about {slug} cannot be read",
                cause=Cause.INTERNAL,
                hint="is the same labwright installed on every machine of the cluster?",
            ) from broken


def _log(job: Job, text: str) -> Path | None:
    if not text:
        return None
    place = own_log(job)
    place.write_text(text, encoding="utf-8", errors="replace")
    return place
