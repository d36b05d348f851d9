"""A worker of a cluster: offers this machine to a scheduler, and comes back when that went away."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import dask
from distributed import Security, Worker

from labwright.errors import LabwrightError
from labwright.host import namespace
from labwright.host.interrupts import heeded
from labwright.host.text import line
from labwright.host.usage import available_memory
from labwright.nightly.cluster_link import Link, check_link, trouble
from labwright.nightly.cluster_room import KVM, MEMORY, ROOT, SLOT
from labwright.nightly.worker_clean import give_back
from labwright.nightly.worker_job import Settings
from labwright.pipeline.runner import default_jobs, scratch_folder
from labwright.pipeline.steps import MEGABYTE
from labwright.pipeline.workshop import Workshop
from labwright.registry.reference import is_loopback
from labwright.registry.transport import Access
from labwright.vm.accelerator import kvm_works

PATIENCE = 30.0
"""Seconds to reach a scheduler before that is said."""
PAUSE = 5.0
"""Seconds before a scheduler that went away is looked for again."""
DASK = {
    # Nothing of this machine's files leaves it, and nothing is served over HTTP but to itself.
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
}


@dataclass(frozen=True)
class Offer:
    """What this machine gives to a cluster. slots: builds at once. memory: bytes for all.

    why: what it lacks, and what is left of killed builds.
    """

    slots: int
    memory: int
    root: bool
    kvm: bool
    why: tuple[str, ...] = field(default=(), compare=False)

    @property
    def resources(self) -> dict[str, float]:
        """As Dask counts them."""
        found = {SLOT: float(self.slots), MEMORY: float(self.memory)}
        found |= {ROOT: float(self.slots)} if self.root else {}
        return found | ({KVM: float(self.slots)} if self.kvm else {})


def offer(workshop: Workshop, slots: int | None = None, memory: int | None = None) -> Offer:
    """What this machine can do: tried, not read from a version. Raises LabwrightError (config): an unfit cache."""
    workshop.paths.ensure()
    # Of a worker before this one, that was killed.
    left = give_back(workshop.paths)
    with scratch_folder(workshop.paths, workshop.ledger) as scratch:
        works, words = kvm_works(workshop.runner("worker").workbench(scratch, lambda _: None, scratch / "log"))
    lacking = [*left] if works else [*left, f"no KVM: {words}"]
    root = True
    if namespace.needed():
        try:
            namespace.check()
        except LabwrightError as error:
            root = False
            lacking.append(f"no root: {error.what}; {error.hint}")
    return Offer(
        slots or max(1, default_jobs() // 2),
        available_memory() if memory is None else memory,
        root,
        works,
        tuple(lacking),
    )


def security_of(link: Link) -> Security | None:
    """TLS for both sides: a certificate that the authority did not sign ends the connection."""
    if not link.tls:
        return None
    files = {"tls_ca_file": str(link.ca)}
    for role in ("client", "worker", "scheduler"):
        files |= {f"tls_{role}_cert": str(link.certificate), f"tls_{role}_key": str(link.key)}
    return Security(require_encryption=True, **files)


def serve(link: Link, offered: Offer, access: Access, scratch: Path, say: Callable[[str], None]) -> None:
    """Work for a scheduler until a wish to stop. access: to the staging registry. scratch: Dask's own small files.

    A scheduler that goes away is waited for: builds that run then end, since nobody is there to take them. So is one
    that does not take this worker: it may have been started again, or be an older one, by the time. Raises
    LabwrightError (config) for an address that strangers could use.
    """
    check_link(link)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    before = {number: signal.getsignal(number) for number in heeded()}
    try:
        with dask.config.set(DASK):
            asyncio.run(_serve(link, offered, access, scratch, say))
    finally:
        # asyncio leaves the system's own, which would end us while the caller gives back what it holds.
        for number, how in before.items():
            signal.signal(number, how)


async def _serve(link: Link, offered: Offer, access: Access, scratch: Path, say: Callable[[str], None]) -> None:
    ending = asyncio.Event()
    for number in heeded():
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    while not ending.is_set():
        try:
            worker = _worker(link, offered, Settings(access, say), scratch)
            # Dask tries for as long as PATIENCE, which nobody who ends us has.
            await _first(worker.start(), ending.wait())
        except (OSError, TimeoutError, RuntimeError, ValueError) as error:
            say(f"{_refusal(link, error)}; looking again in {PAUSE:.0f} s")
            await _first(asyncio.sleep(PAUSE), ending.wait())
            continue
        if not ending.is_set():
            say(f"working for {link.address}: {in_words(offered)}")
            await _first(worker.finished(), ending.wait())
        # Here and not at the end of the process: the builds of this worker are to end, and to clean up.
        await worker.close(timeout=PATIENCE, reason="labwright worker ends")
        if not ending.is_set():
            say(f"the scheduler at {link.address} went away; looking again in {PAUSE:.0f} s")
            await _first(asyncio.sleep(PAUSE), ending.wait())


def _refusal(link: Link, error: Exception) -> str:
    """Why no work came to be: Dask wraps what it does not expect into an error without words."""
    reason = error.__cause__ or error
    if words := trouble(link, error):
        return f"no scheduler at {link.address}: {words} (docs/cluster.md, When a certificate ends)"
    if isinstance(reason, (OSError, TimeoutError)):
        return f"no scheduler at {link.address} ({reason.__class__.__name__})"
    return f"the scheduler at {link.address} does not take this worker ({line(reason)})"


def worker_name() -> str:
    """Another one for each start: a scheduler still has the name of a worker whose end it has not noticed."""
    return f"{os.uname().nodename}-{uuid.uuid4().hex[:8]}"


def _worker(link: Link, offered: Offer, settings: Settings, scratch: Path) -> Worker:
    """One that is still to start. Raises OSError, ValueError."""
    return Worker(
        link.address,
        nthreads=offered.slots,
        name=worker_name(),
        resources=offered.resources,
        security=security_of(link),
        # In a network the address by which the scheduler is reached; without TLS nobody else reaches it.
        host="127.0.0.1" if is_loopback(link.host) else None,
        protocol="tls" if link.tls else "tcp",
        dashboard_address="127.0.0.1:0",
        local_directory=str(scratch),
        memory_limit=0,
        death_timeout=PATIENCE,
        plugins=(settings,),
        silence_logs=logging.CRITICAL,
    )


async def _first(*waits: Awaitable[object]) -> None:
    """Wait for one of them."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()


def in_words(offered: Offer) -> str:
    """An offer for people."""
    builds = "1 build" if offered.slots == 1 else f"{offered.slots} builds"
    kvm = "KVM" if offered.kvm else "no KVM"
    root = "" if offered.root else ", no root: it can build nothing"
    return f"{builds} at once, {offered.memory // MEGABYTE} MB of memory, {kvm}{root}"
