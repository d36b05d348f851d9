"""Undoing what a build holds: mounts, loop devices, folders, processes. Only what is named, and never more than it."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import environment, find_tool
from labwright.host.interrupts import undisturbed

MARK_VARIABLE = "LABWRIGHT_LEDGER"
"""Set in the environment of every child: how it is recognised as ours after its owner has died."""

DELETED = " (deleted)"
PATIENCE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
KERNEL_THREAD = 0x00200000
"""In a process's flags (proc(5), field 9): PF_KTHREAD of include/linux/sched.h."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
EXEC_LOOKS, EXEC_PAUSE = 10, 0.01
"""How often, and after how many seconds, the environment of a process that is just being started is read again."""


def real_place(path: Path) -> Path:
    """The absolute path with no symbolic link on the way; a link in the last place stays, as it is the thing meant."""
    absolute = Path.cwd() / path
    if absolute.name in {"", ".", ".."}:
        return absolute.resolve()
    return absolute.parent.resolve() / absolute.name


def mount_points() -> list[Path]:
    """Every mount point of our mount namespace (proc(5), mountinfo: blanks and backslashes are in octal)."""
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    return [
        Path(os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), line.split()[4])))
        for line in lines
    ]


def is_mounted(path: Path) -> bool:
    """Whether something is mounted on exactly this path, in our mount namespace."""
    return real_place(path) in mount_points()


def unmount(path: Path) -> None:
    """Unmount what is mounted there. Nothing mounted is fine; LabwrightError when it is still mounted afterwards."""
    place = real_place(path)
    if not is_mounted(place):
        return
    _call(["umount", "--no-canonicalize", "--", str(place)])
    if is_mounted(place):
        raise LabwrightError(
            f"{place} is still mounted: something else was mounted over it",
            cause=Cause.HOST,
            hint=f"unmount that too (umount {place}), then run: labwright clean",
        )


def loop_devices(backing_file: Path) -> list[str]:
    """The loop devices of a file, also when the file is deleted (sysfs, loop/backing_file)."""
    place = os.fsencode(real_place(backing_file))
    found = []
    for folder in sorted(Path("/sys/block").glob("loop*")):
        with contextlib.suppress(OSError):
            backing = (folder / "loop/backing_file").read_bytes().removesuffix(b"\n")
            if backing.removesuffix(DELETED.encode()) == place:
                found.append(f"/dev/{folder.name}")
    return found


def detach_loops(backing_file: Path) -> None:
    """Detach every loop device of a file. LabwrightError when one stays: a device in use is only marked for later.

    A mount namespace that has just lost its last process gives its devices back a moment later.
    """
    for device in loop_devices(backing_file):
        _call(["losetup", "--detach", device])
    until = time.monotonic() + PATIENCE
    while (left := loop_devices(backing_file)) and time.monotonic() < until:
        time.sleep(EXEC_PAUSE)
    if left:
        raise LabwrightError(
            f"{' '.join(left)} of {backing_file} cannot be detached: in use",
            cause=Cause.HOST,
            hint=f"find who uses it (lsblk {left[0]}; fuser -v {left[0]}), end that, then run: labwright clean",
        )


def remove_folder(folder: Path) -> None:
    """Remove a folder of ours, and refuse while anything is mounted in it. A link is removed, not what it leads to."""
    place = real_place(folder)
    if place.is_symlink():
        place.unlink()
        return
    inside = [point for point in mount_points() if point.is_relative_to(place)]
    if inside:
        raise LabwrightError(
            f"{place} still has {inside[-1]} mounted in it, so it was not removed",
            cause=Cause.HOST,
            hint=f"find who uses it (fuser -vm {inside[-1]}), unmount it, then run: labwright clean",
        )
    if not place.exists():
        return
    try:
        try:
            shutil.rmtree(place)
        except (OSError, RecursionError):
            _remove_odd_tree(place)
    except (OSError, RecursionError) as error:
        if not place.exists():
            # Somebody else was removing it too.
            return
        raise LabwrightError(
            f"{place} cannot be removed: {_words(error)}",
            cause=Cause.HOST,
            hint="mend its owner and mode, or run as its owner: labwright clean",
        ) from error


def _words(error: OSError | RecursionError) -> str:
    return f"{error.strerror} ({error.filename})" if isinstance(error, OSError) else "it is nested too deeply"


def _remove_odd_tree(place: Path) -> None:
    """Every folder is moved to the top before it is emptied: jobs can nest them deeper than a path may be long, than we
    may have files open, and than Python calls itself. That takes half as long again as to go down into them.
    """
    _permit(place)
    top = os.open(place, FOLDER)
    try:
        names = (f".labwright-{uuid.uuid4().hex[:12]}-{number}" for number in itertools.count())
        waiting = deque(_remove_files(top))
        while waiting:
            name = waiting.popleft()
            try:
                _permit(name, top)
                folder = os.open(name, FOLDER, dir_fd=top)
                try:
                    waiting += _move_up(folder, top, names)
                finally:
                    os.close(folder)
                os.rmdir(name, dir_fd=top)
            except FileNotFoundError:
                continue
    finally:
        os.close(top)
    place.rmdir()


def _remove_files(folder: int) -> list[str]:
    """Remove all but the folders that are in a folder; returns their names."""
    folders = []
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
            continue
        with contextlib.suppress(FileNotFoundError):
            os.unlink(entry.name, dir_fd=folder)
    return folders


def _move_up(folder: int, top: int, names: Iterator[str]) -> list[str]:
    """Empty a folder; returns the names that what was in it has at the top."""
    moved = []
    for name in _remove_files(folder):
        # Whose '..' changes must be writable itself.
        _permit(name, folder)
        new = next(names)
        try:
            os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # A subvolume of btrfs, which anybody may make, is moved whole, and nothing out of it.
            shutil.rmtree(name, dir_fd=folder)
        else:
            moved.append(new)
    return moved


def _permit(folder: str | Path, beside: int | None = None) -> None:
    """A tree may hold folders without permissions; an ordinary user could not remove what is in them."""
    if os.geteuid() != 0:
        os.chmod(folder, 0o700, dir_fd=beside)


def remove_file(path: Path) -> None:
    """Remove one file; gone already is fine."""
    try:
        real_place(path).unlink(missing_ok=True)
    except OSError as error:
        raise LabwrightError(
            f"{path} cannot be removed: {error.strerror}", cause=Cause.HOST, hint="mend its owner and mode"
        ) from error


def process_start(process: int) -> int:
    """The start time of a process in clock ticks since boot (proc(5), field 22); 0 where there is no such process."""
    return _start(process_fields(process))


def hidden(process: int) -> bool:
    """Whether there is such a process though /proc does not show it to us."""
    if Path(f"/proc/{process}").exists():
        return False
    with contextlib.suppress(PermissionError):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
    return True


def _start(fields: list[bytes]) -> int:
    return 0 if not fields or fields[0] == b"Z" else int(fields[19])


def process_fields(process: int) -> list[bytes]:
    """The fields of /proc/PID/stat from the third on, the state; empty where there is no such process."""
    try:
        return Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def _may_be_starting(process: int) -> bool:
    """Whether it is a program, not a thread of the kernel, that was started after us and has not ended."""
    fields = process_fields(process)
    return bool(fields) and not int(fields[6]) & KERNEL_THREAD and _start(fields) >= process_start(os.getpid())


def marked_processes(mark: str) -> list[int]:
    """The processes whose environment holds our mark.

    One scan can miss a process that its parent starts while /proc is read, so what counts as none is none twice.
    """
    return _scan(mark) or _scan(mark)


def _scan(mark: str) -> list[int]:
    processes = (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit())
    return [process for process in processes if process != os.getpid() and _is_marked(process, mark)]


def _is_marked(process: int, mark: str) -> bool:
    needle = f"{MARK_VARIABLE}={mark}".encode()
    for _ in range(EXEC_LOOKS):
        try:
            environ = Path(f"/proc/{process}/environ").read_bytes()
        except OSError:
            return False
        # In the middle of execve(2) it reads as empty.
        if environ or not _may_be_starting(process):
            return needle in environ.split(b"\0")
        time.sleep(EXEC_PAUSE)
    return False


@undisturbed()
def end_processes(mark: str, patience: float = PATIENCE) -> None:
    """End every process with our mark: one SIGTERM each, then SIGKILL after `patience` seconds."""
    started = time.monotonic()
    asked: set[int] = set()
    while processes := marked_processes(mark):
        passed = time.monotonic() - started
        if passed > patience + 5:
            raise LabwrightError(
                f"processes {', '.join(map(str, processes))} do not end",
                cause=Cause.HOST,
                hint="they wait in the kernel (a dead disk or network mount?): labwright clean once they are gone",
            )
        for process in processes:
            if passed > patience:
                _signal(process, mark, signal.SIGKILL)
            elif process not in asked:
                asked.add(process)
                _signal(process, mark, signal.SIGTERM)
        time.sleep(0.02)


def _signal(process: int, mark: str, number: signal.Signals) -> None:
    """A process id can be another process's by now; a descriptor whose mark was read afterwards cannot."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        descriptor = os.pidfd_open(process)
        try:
            if _is_marked(process, mark):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _call(argv: list[str]) -> None:
    find_tool(argv[0])
    result = subprocess.run(argv, capture_output=True, encoding="utf-8", errors="replace", check=False,
                            env=environment(), stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    if result.returncode != 0:
        raise LabwrightError(
            f"teardown failed: {' '.join(argv)}",
            cause=Cause.HOST,
            details=result.stderr.splitlines()[-5:],
            hint="mend what it names, then run: labwright clean",
        )
