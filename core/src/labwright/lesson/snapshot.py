"""Quick launch: the memory of an image that has booted, kept beside its disk, from which any number of copies go on.

QEMU's own migration to a file: reading it takes a tenth of a second, and copies share its pages in the host's cache.
A snapshot is for the image, the hardware, the accelerator and the version of QEMU that it was taken with, so all of
them are in its name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labwright.errors import Cause, LabwrightError, os_error
from labwright.host import locks
from labwright.host.clock import Deadline, Heartbeat
from labwright.host.environment import version_of
from labwright.host.files import beside, file_digest
from labwright.host.paths import Paths
from labwright.host.processor import model_name
from labwright.host.run import run
from labwright.interfaces import Workbench
from labwright.lesson.command import Order, orders
from labwright.lesson.guests import last_lines
from labwright.lesson.images import LabImage
from labwright.lesson.plan import SSH, LabPlan, MachinePlan
from labwright.vm.accelerator import Accelerator, slower
from labwright.vm.device import mac_of, socket_folder
from labwright.vm.machine import Running, start
from labwright.vm.qmp import Monitor, monitor
from labwright.vm.ready import CLOSED_PORT, Greeting, wait_until
from labwright.vm.ssh import Login, ask, connect

FORMAT = "1"
MEMORY = "memory"
ADDRESS = "127.0.1.1"
SAVE_SECONDS, STEP = 300.0, 0.05
WARM = "sudo -n sh -c 'tar --version; ip -br link; perl -e 1; date; chown --version; find /antidote; mktemp -u' ; true"
"""Programs that every copy runs first: they are in memory then."""


@dataclass(frozen=True)
class Snapshot:
    """A folder with memory, and overlays of the disks by their names."""

    folder: Path

    @property
    def memory(self) -> Path:
        """A migration stream of QEMU's."""
        return self.folder / MEMORY

    def disk(self, name: str) -> Path:
        """The overlay of a disk, which nobody writes to any more."""
        return self.folder / f"{name}.qcow2"

    def __bool__(self) -> bool:
        """Whether it was taken."""
        return self.memory.is_file()


def unfit(image: LabImage) -> str:
    """Why no snapshot of an image can serve many copies; empty where one can."""
    if not image.shell:
        return "nobody can give a copy of it keys and addresses of its own: its users have no shell"
    if len(image.hardware.machines) > 1 or len(image.disks) > 1:
        return "it is more than one machine or disk"
    if image.hardware.machines[0].firmware != "bios":
        return "QEMU saves no machine that starts by UEFI"
    if any(disk.stat().st_mode & 0o077 == 0 for disk in image.disks.values()):
        return "it holds a private file, and memory would be kept outside of it"
    return ""


def snapshot_of(image: LabImage, data: int, accelerator: Accelerator, paths: Paths) -> Snapshot:
    """Where the snapshot of an image with so many data interfaces is, or would be."""
    parts = [
        FORMAT,
        *(f"{name} {file_digest(disk)}" for name, disk in sorted(image.disks.items())),
        file_digest(image.kernel) if image.kernel else "",
        image.hardware.model_dump_json(),
        str(data),
        accelerator.name,
        model_name() if accelerator.name == "kvm" else "",
        version_of("qemu-system-x86_64"),
    ]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
    return Snapshot(paths.root / "snapshots" / f"{image.slug}-{key}")


def take(image: LabImage, data: int, accelerator: Accelerator, paths: Paths, bench: Workbench) -> Snapshot:
    """Boot the image and keep what it is like once users can log in. We are in a network of a lab's own.

    Raises LabwrightError (guest, host), with nothing left.
    """
    there = snapshot_of(image, data, accelerator, paths)
    if there:
        return there
    if why := unfit(image):
        raise LabwrightError(f"{image.slug} has no quick launch: {why}", cause=Cause.CONFIG, hint="it boots instead")
    there.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = Snapshot(beside(there.folder))
    with bench.ledger.hold("folder", partial.folder):
        partial.folder.mkdir(mode=0o700)
        disks = {name: _overlay(disk, partial.folder, name) for name, disk in image.disks.items()}
        with _booted(image, data, disks, accelerator, bench) as control:
            bench.say(f"saving the memory of {image.slug}")
            _save(control, partial.memory)
        facts = {"image": image.slug, "taken": time.time(), "accelerator": accelerator.name}
        (partial.folder / "facts.json").write_text(json.dumps(facts) + "\n")
        _same(there, replace(image, disks={name: _base(partial.folder, name) for name in image.disks}), data,
              accelerator, paths)  # fmt: skip
        try:
            partial.folder.rename(there.folder)
        except OSError as error:
            # Somebody else may have taken the same one meanwhile.
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                raise os_error(error, f"{there.folder} cannot be made") from error
    return there


def _same(there: Snapshot, booted: LabImage, data: int, accelerator: Accelerator, paths: Paths) -> None:
    """Raise LabwrightError (host) where what was booted is not what the snapshot is called after."""
    if snapshot_of(booted, data, accelerator, paths) != there:
        raise LabwrightError(
            f"the image {booted.slug} was replaced while its snapshot was taken",
            cause=Cause.HOST,
            hint="run the same command again",
        )


def lock_of(folder: Path) -> Path:
    """The lock of a snapshot's folder: beside it, since the folder itself may be removed by who holds the lock."""
    return folder.with_name(f".{folder.name}.in-use")


@contextlib.contextmanager
def in_use(snapshot: Snapshot) -> Iterator[bool]:
    """Nobody removes it meanwhile (labwright cache prune), and it counts as used now. Whether it is still there."""
    stream = locks.take(lock_of(snapshot.folder), fcntl.LOCK_SH, wait=True)
    assert stream is not None, "a lock that waits is held afterwards"
    with stream:
        os.utime(stream.fileno())
        yield bool(snapshot)


def _base(place: Path, name: str) -> Path:
    return place / f"{name}.base.qcow2"


def _overlay(disk: Path, place: Path, name: str) -> Path:
    """An overlay of the disk as it is now: another build may put another one in its place."""
    base, overlay = _base(place, name), place / f"{name}.qcow2"
    try:
        os.link(disk, base)
    except OSError:
        run(["cp", "--reflink=auto", "--", disk, base], what=f"{disk} cannot be copied")
    # By its name alone: the folder is renamed when all of it is there.
    run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base.name, overlay],
        what=f"no overlay of {disk} can be made",
    )
    return overlay


@contextlib.contextmanager
def _booted(
    image: LabImage, data: int, disks: Mapping[str, Path], accelerator: Accelerator, bench: Workbench
) -> Iterator[Monitor]:
    """The image, booted and logged in to once."""
    macs = tuple(mac_of(0xE0 + index) for index in range(1 + data))
    machine = MachinePlan(image.slug, image, ADDRESS, "", (SSH,), macs, data)
    sockets, files = socket_folder(), bench.scratch / "snapshot"
    files.mkdir(exist_ok=True)
    with bench.ledger.hold("folder", sockets):
        sockets.mkdir(mode=0o700)
        order = orders(LabPlan((machine,), ()), machine, disks, 1, sockets, files, accelerator.name, None)[0]
        console = files / "1a.console"
        with start(f"snapshot-{image.slug}", order.argv, order.complaints, bench.ledger) as process:
            running = Running(process, console, order.complaints, time.monotonic())
            with _monitor_of(order, running) as control:
                limit = Deadline(image.hardware.boot * slower(accelerator))
                beat = Heartbeat(bench.say)
                wait_until(running, [Greeting(SSH, CLOSED_PORT, ADDRESS)], limit, beat)
                login = Login(SSH, image.config_user, image.config_password, ADDRESS)
                with connect(login, 60 * accelerator.factor) as client:
                    ask(client, WARM, 60 * accelerator.factor)
                yield control


@contextlib.contextmanager
def _monitor_of(order: Order, running: Running) -> Iterator[Monitor]:
    try:
        with monitor(order.control, running.process) as control:
            yield control
    except LabwrightError as error:
        if running.running or error.details:
            raise
        raise LabwrightError(
            f"{error.what}", cause=error.cause, hint=error.hint,
            details=[*order.complaints.read_text(errors="replace").splitlines()[-5:], *last_lines(running.console, 3)],
        ) from error  # fmt: skip


def _save(control: Monitor, place: Path) -> None:
    """Write the stopped machine's memory and devices to a file; its disk is whole afterwards."""
    control.execute("stop")
    control.execute("migrate-set-parameters", {"max-bandwidth": 1 << 40})
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        control.hand_over(MEMORY, descriptor)
        control.execute("migrate", {"uri": f"fd:{MEMORY}"})
        limit = Deadline(SAVE_SECONDS)
        while True:
            facts = control.execute("query-migrate")
            status = facts.get("status") if isinstance(facts, dict) else ""
            if status == "completed":
                break
            if status in {"failed", "cancelled"} or limit.expired:
                said = facts.get("error-desc", status) if isinstance(facts, dict) else status
                raise LabwrightError(
                    f"QEMU does not save the machine: {said}", cause=Cause.HOST, hint="is the disk full?"
                )
            time.sleep(STEP)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    control.execute("quit")
