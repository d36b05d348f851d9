"""A guest in the libguestfs appliance: a small machine that mounts the disk, so that this host's kernel never does.

Needs no privileges. Under emulation it starts in about ten seconds, and a command takes one.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import shlex
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labwright.errors import Cause, LabwrightError
from labwright.guest.content import Content, Part, find_root, more_mounts, options_for, several
from labwright.guest.guest import Answer, Guest
from labwright.host.namespace import mapped_whole
from labwright.host.teardown import MARK_VARIABLE
from labwright.interfaces import Workbench

MEMORY = 1024
"""MiB; package managers run in it."""
EVERY = 10.0
LARGEST_ANSWER = 64 * 1024 * 1024
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
WRAPPED = (
    "mkdir -p {0} && chmod 700 {0} && export PATH={1} HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive; "
    "cd /; ({2}) < {3} > {0}/output 2> {0}/errors; echo $? > {0}/code"
)
MOUNTING = ("/usr/bin/mount", "/usr/bin/umount")
FOLDER = "/run/labwright-command"


class ApplianceGuest(Guest):
    """A disk whose file systems the appliance has mounted."""

    method = "appliance"

    def __init__(self, handle: Any, bench: Workbench) -> None:
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
            self._patiently(lambda: self._handle.sh(command), argv[0], seconds)
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

    def _patiently(self, work: Callable[[], object], name: str, seconds: float) -> None:
        """Run what takes long with a word now and then; past the time limit the appliance is ended."""
        over = threading.Event()
        process = self._handle.get_pid()
        started = time.monotonic()

        def watch() -> None:
            while not over.wait(EVERY):
                passed = time.monotonic() - started
                if passed > seconds:
                    # The handle is locked by the call that waits, so its own ways to end it wait too.
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                    return
                self._bench.say(f"{name} in the guest, for {passed:.0f} s")

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            work()
        finally:
            over.set()
            watcher.join()

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
        handle = guestfs_module().GuestFS(python_return_dict=True)
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
        finally:
            handle.close()


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
    bench.run(
        ["supermin", "--build", "--if-newer", "--lock", folder.parent / "lock", "--copy-kernel", "-f", "ext2",
         "--host-cpu", platform.machine(), supplied, "-o", folder],
        what="the libguestfs appliance cannot be made", timeout=600,
        hint="labwright doctor --deep tries it; can you read /boot/vmlinuz*?",
    )  # fmt: skip
    mark = folder / "README.fixed"
    if not mark.exists() or mark.stat().st_mtime_ns < made.stat().st_mtime_ns:
        for name in MOUNTING:
            bench.run(["debugfs", "-w", "-R", f"set_inode_field {name} uid 0", made], what="the appliance is not whole")
        # Its being there tells libguestfs that this folder is an appliance (guestfs-internals(1)).
        mark.write_text("made for a user namespace\n")
    return folder


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


def _launch(handle: Any, disk: Path) -> None:
    with _told("the libguestfs appliance does not start"):
        handle.add_drive_opts(str(disk), format="raw", readonly=False, discard="besteffort", cachemode="unsafe")
        handle.set_network(True)
        handle.set_memsize(MEMORY)
        handle.launch()


def _mount_known(handle: Any, content: Content, root: Part) -> None:
    """What was found on the disk from here needs no second look in there, which takes as long as the start."""
    with _told("the guest's file systems cannot be mounted"):
        handle.mount_options(options_for(root.filesystem), _device(root), "/")
        table = handle.read_file("/etc/fstab") if handle.is_file("/etc/fstab") else b""
        text = table.decode(errors="replace") if isinstance(table, bytes) else str(table)
        for part, place in more_mounts(content, root, text):
            handle.mount_options(options_for(part.filesystem), _device(part), place)


def _device(part: Part) -> str:
    return f"/dev/sda{part.number or ''}"


def _mount_inspected(handle: Any, partition: int | None) -> None:
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
