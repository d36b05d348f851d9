"""A guest in the libguestfs appliance: a small machine that mounts the disk, so that this host's kernel never does.

Needs no privileges. Under emulation it starts in about ten seconds, and a command takes one.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib
import math
import os
import platform
import queue
import shlex
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labwright.errors import Cause, LabwrightError
from labwright.guest.content import Content, Part, find_root, more_mounts, options_for, several
from labwright.guest.guest import Answer, Guest
from labwright.host.interrupts import undisturbed
from labwright.host.namespace import mapped_whole
from labwright.host.teardown import MARK_VARIABLE, end_processes
from labwright.interfaces import Workbench

MEMORY = 1024
"""MiB; package managers run in it."""
EVERY = 10.0
SOON = 0.1
"""Seconds between two words on what takes long, and until what was ended is looked at again."""
LARGEST_ANSWER = 64 * 1024 * 1024
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
WRAPPED = (
    "mkdir -p {0} && chmod 700 {0} && export PATH={1} HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive; "
    "cd /; ({2}) < {3} > {0}/output 2> {0}/errors; echo $? > {0}/code"
)
MOUNTING = ("/usr/bin/mount", "/usr/bin/umount")
FOLDER = "/run/labwright-command"


class Handle:
    """libguestfs's handle with the calls that it has, each of which is over soon after a wish to stop.

    In a call libguestfs goes on waiting when a signal comes, and Python's main thread, which is to hear of it, must not
    be in there: so another thread makes the calls. What ends one is the end of the appliance; the handle has no way to
    that, as a call locks it. mark: in the environment of all that libguestfs starts; QEMU is the last of it.
    """

    def __init__(self, mark: str, bench: Workbench) -> None:
        self._mark = mark
        self._bench = bench
        self._turn = threading.Lock()
        self._works: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()
        # In that thread too: in every other libguestfs writes its errors to our standard error (guestfs(3), threads).
        try:
            self._handle = self._make("libguestfs", math.inf, lambda: guestfs_module().GuestFS(python_return_dict=True))
        except BaseException:
            self._works.put(None)
            raise

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(self.call, f"{name} of the appliance", math.inf, name)

    def call(self, words: str, seconds: float, name: str, *arguments: object, **options: object) -> Any:
        """Make a call, with words now and then when it takes long; past the time limit the appliance is ended.

        Raises what the call raises.
        """
        with self._turn:
            return self._make(words, seconds, lambda: getattr(self._handle, name)(*arguments, **options))

    @undisturbed()
    def close(self) -> None:
        """Give the handle back. A thread that serves Ansible may still be in a call: nobody told it to stop."""
        self._end(lambda: self._turn.acquire(timeout=SOON))
        try:
            self._make("the end of the appliance", math.inf, self._handle.close)
        finally:
            self._works.put(None)
            self._turn.release()

    def _serve(self) -> None:
        while work := self._works.get():
            work()

    def _make(self, words: str, seconds: float, work: Callable[[], Any]) -> Any:
        over = threading.Event()
        answers: list[Any] = []
        errors: list[BaseException] = []
        asked = False

        def body() -> None:
            try:
                answers.append(work())
            except BaseException as error:
                errors.append(error)
            finally:
                over.set()

        try:
            with undisturbed():
                self._works.put(body)
                asked = True
            self._watch(over, words, seconds)
        except BaseException:
            if asked:
                self._end(lambda: over.wait(SOON))
            raise
        if errors:
            raise errors[0]
        return answers[0]

    def _watch(self, over: threading.Event, words: str, seconds: float) -> None:
        started = time.monotonic()
        while not over.wait(EVERY):
            passed = time.monotonic() - started
            if passed > seconds:
                return self._end(lambda: over.wait(SOON))
            self._bench.say(f"{words}, for {passed:.0f} s")
        return None

    @undisturbed()
    def _end(self, over: Callable[[], bool]) -> None:
        """End the appliance until what waits for it is over: while it starts, one program comes after the other."""
        while not over():
            end_processes(self._mark, patience=0)


class ApplianceGuest(Guest):
    """A disk whose file systems the appliance has mounted."""

    method = "appliance"

    def __init__(self, handle: Handle, bench: Workbench) -> None:
        self._handle = handle
        self._bench = bench

    def _execute(self, argv: Sequence[str], stdin: bytes | Path, seconds: float) -> Answer:
        """Run a command in the guest's tree. The streams come by files: the appliance hands on only one of them."""
        source = "/dev/null"
        with _told(f"{argv[0]} in the guest"):
            self._handle.mkdir_p(FOLDER)
            if stdin:
                source = f"{FOLDER}/input"
                self._upload(stdin, source)
            command = WRAPPED.format(FOLDER, PATH, shlex.join(argv), source)
            self._handle.call(f"{argv[0]} in the guest", seconds, "sh", command)
            code, output, errors = (self._read(name) for name in ("code", "output", "errors"))
            self._handle.rm_rf(FOLDER)
        return Answer(int(code) if code.strip().isdecimal() else 255, output, errors)

    def _upload(self, stdin: bytes | Path, place: str) -> None:
        if isinstance(stdin, Path):
            self._handle.upload(str(stdin), place)
            return
        with tempfile.TemporaryFile(dir=self._bench.scratch) as stream:
            stream.write(stdin)
            stream.flush()
            stream.seek(0)
            self._handle.upload(f"/dev/fd/{stream.fileno()}", place)

    def _read(self, name: str) -> str:
        place = f"{FOLDER}/{name}"
        if self._handle.filesize(place) > LARGEST_ANSWER:
            raise LabwrightError(
                "a command in the guest wrote more than 64 MiB", cause=Cause.GUEST, hint="what runs away in there?"
            )
        data = self._handle.read_file(place)
        return data.decode(errors="replace") if isinstance(data, bytes) else str(data)

    def close(self) -> None:
        """Give unused blocks back and have everything on the disk."""
        with _told("the unused blocks cannot be given back"), contextlib.suppress(RuntimeError):
            # A file system that cannot do that stays as large as it is.
            self._handle.fstrim("/")
        with _told("the disk cannot be unmounted"):
            self._handle.umount_all()
            self._handle.shutdown()


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """What libguestfs says, as an error of ours."""
    try:
        yield
    except RuntimeError as error:
        raise appliance_error(error, what) from error


def appliance_error(error: RuntimeError, what: str) -> LabwrightError:
    """What libguestfs says, as one of ours."""
    lines = str(error).splitlines()
    hint = "labwright doctor --deep tries the appliance"
    if any("No space left" in line for line in lines):
        hint = "the guest's disk is full: make it larger with build.diskSize"
    return LabwrightError(what, cause=Cause.GUEST, details=lines[-8:], hint=hint)


def guestfs_module() -> Any:
    """The binding. Raises LabwrightError (host) where this Python has none."""
    try:
        return importlib.import_module("guestfs")
    except ImportError as error:
        raise LabwrightError(
            "this Python has no module guestfs, so there is no appliance",
            cause=Cause.HOST,
            hint="apt-get install python3-guestfs libguestfs-tools, and make the virtual environment with "
            "--system-site-packages from the system's Python (make setup does)",
        ) from error


@contextlib.contextmanager
def appliance_guest(content: Content, partition: int | None, kvm: bool, bench: Workbench) -> Iterator[Guest]:
    """The system on a raw disk, entered in an appliance with the network up. What is written is on the disk afterwards.

    kvm: whether it was proven to work here. Raises LabwrightError; then the appliance is gone too.
    """
    mark = f"appliance-{os.getpid()}-{time.monotonic_ns()}"
    with bench.ledger.hold("process", mark), _environment({MARK_VARIABLE: mark} | settings(kvm, bench)):
        handle = Handle(mark, bench)
        try:
            bench.say("starting the libguestfs appliance")
            _launch(handle, content.disk)
            if not content.lvm and all(part.filesystem.startswith("ext") for part in content.candidates):
                _mount_known(handle, content, find_root(content, partition, bench))
            else:
                _mount_inspected(handle, partition)
            guest = ApplianceGuest(handle, bench)
            yield guest
            guest.close()
        except KeyboardInterrupt:
            # To write to the disk what is not on it yet takes time, and nobody wants that disk.
            end_processes(mark, patience=0)
            raise
        finally:
            with undisturbed():
                handle.close()
                _sweep(bench.downloads / "appliance")


def settings(kvm: bool, bench: Workbench) -> dict[str, str]:
    """libguestfs takes its settings from the environment. Raises LabwrightError where there is no appliance."""
    cache = bench.downloads / "appliance"
    cache.mkdir(exist_ok=True)
    own = {} if mapped_whole() else {"LIBGUESTFS_PATH": str(_of_namespace(cache / "namespace", bench))}
    return own | {
        "LIBGUESTFS_BACKEND": "direct",
        "LIBGUESTFS_BACKEND_SETTINGS": "" if kvm else "force_tcg",
        "LIBGUESTFS_CACHEDIR": str(cache),
        "LIBGUESTFS_TMPDIR": str(bench.scratch),
    }


def _of_namespace(folder: Path, bench: Workbench) -> Path:
    """An appliance that starts when it was made in a user namespace; made again when the host's packages are newer.

    In there the host's files belong to nobody, so mount(8) in it, which is set-user-ID, would run as nobody.
    """
    made = folder / "root"
    supplied = Path(guestfs_module().GuestFS(python_return_dict=True).get_path().partition(":")[0]) / "supermin.d"
    try:
        bench.run(
            ["supermin", "--build", "--if-newer", "--lock", folder.parent / "lock", "--copy-kernel", "-f", "ext2",
             "--host-cpu", platform.machine(), supplied, "-o", folder],
            what="the libguestfs appliance cannot be made", timeout=600,
            hint="labwright doctor --deep tries it; can you read /boot/vmlinuz*?",
        )  # fmt: skip
    finally:
        _sweep(folder.parent)
    mark = folder / "README.fixed"
    if not mark.exists() or mark.stat().st_mtime_ns < made.stat().st_mtime_ns:
        for name in MOUNTING:
            bench.run(["debugfs", "-w", "-R", f"set_inode_field {name} uid 0", made], what="the appliance is not whole")
        # Its being there tells libguestfs that this folder is an appliance (guestfs-internals(1)).
        mark.write_text("made for a user namespace\n")
    return folder


@undisturbed()
def _sweep(cache: Path) -> None:
    """Remove what supermin left of appliances when it was ended: nobody makes one here while we have its lock."""
    for lock in (cache / "lock", *cache.glob(".guestfs-*/lock")):
        with contextlib.suppress(OSError), lock.open("r+b") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in (*lock.parent.glob("appliance.d.*"), *lock.parent.glob("namespace.*")):
                shutil.rmtree(left)


@contextlib.contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Our own environment, which the library's children inherit, with more in it for a while."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _launch(handle: Handle, disk: Path) -> None:
    with _told("the libguestfs appliance does not start"):
        handle.add_drive_opts(str(disk), format="raw", readonly=False, discard="besteffort", cachemode="unsafe")
        handle.set_network(True)
        # Out of the group that a terminal's Ctrl-C ends, which is for us to hear.
        handle.set_pgroup(True)
        handle.set_memsize(MEMORY)
        handle.launch()


def _mount_known(handle: Handle, content: Content, root: Part) -> None:
    """What was found on the disk from here needs no second look in there, which takes as long as the start."""
    with _told("the guest's file systems cannot be mounted"):
        handle.mount_options(options_for(root.filesystem), _device(root), "/")
        table = handle.read_file("/etc/fstab") if handle.is_file("/etc/fstab") else b""
        text = table.decode(errors="replace") if isinstance(table, bytes) else str(table)
        for part, place in more_mounts(content, root, text):
            handle.mount_options(options_for(part.filesystem), _device(part), place)


def _device(part: Part) -> str:
    return f"/dev/sda{part.number or ''}"


def _mount_inspected(handle: Handle, partition: int | None) -> None:
    """By libguestfs's own inspection: logical volumes, subvolumes."""
    with _told("the guest's file systems cannot be mounted"):
        roots = handle.inspect_os()
        titles = {root: f"{root}: {handle.inspect_get_product_name(root)}" for root in roots}
        if partition is not None:
            roots = [root for root in roots if root.endswith(f"sda{partition}")]
        if not roots:
            raise LabwrightError(
                "no operating system is on the disk" + (f"'s partition {partition}" if partition else ""),
                cause=Cause.CONFIG,
                details=tuple(titles.values()),
                hint="is it a data disk? Name the disk that boots, and its partition",
            )
        if len(roots) > 1:
            raise several(titles.values())
        mounts = handle.inspect_get_mountpoints(roots[0])
        for place in sorted(mounts, key=len):
            handle.mount(mounts[place], place)
