"""A guest as a mounted tree: seconds, but as root only, and the image's programs run on this host's kernel.

The tree is mounted in namespaces of its own, which one process of ours holds: when that process ends, however it ends,
the kernel unmounts everything and gives the loop device back. Programs of the image run without the capabilities that
reach devices, modules, the clock or another root.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.guest.content import Content, Part, more_mounts, options_for
from labwright.guest.guest import Answer, Guest
from labwright.host.environment import environment, find_tool
from labwright.host.ledger import Ledger
from labwright.host.teardown import MARK_VARIABLE, process_fields
from labwright.interfaces import Workbench

HOLD = r"""
set -e
root=$1 device=$2 type=$3 options=$4 fresh=$5
if [ -d "$device" ]; then mount --bind "$device" "$root"; else mount -t "$type" -o "$options" "$device" "$root"; fi
for place in proc sys dev run tmp; do
    if [ -L "$root/$place" ] || ! [ -d "$root/$place" ]; then echo "/$place is no folder" >&2; exit 1; fi
done
mount -t proc proc "$root/proc"
# What is written there is this host's, whatever namespace it is written from.
for place in sys sysrq-trigger irq bus fs; do
    [ -e "$root/proc/$place" ] || continue
    mount --bind "$root/proc/$place" "$root/proc/$place"
    mount -o remount,bind,ro "$root/proc/$place"
done
# In a user namespace the kernel refuses it, and a package's scripts can do without.
mount -t sysfs -o ro sysfs "$root/sys" 2>/dev/null || true
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    : > "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
# No link is followed, and nothing of the image runs yet.
[ "$fresh" = no ] || find "$root/run" "$root/tmp" -xdev -mindepth 1 -delete
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mkdir -p "$root/run/lock"
# Before this namespace's own /proc is read-only too: sudo looks the name up.
echo localhost > /proc/sys/kernel/hostname
echo ready
read -r end || true
"""
"""Fixed text; what differs comes as arguments. /bin/sh of the host stays, so nothing of the image runs to hold it."""

MOUNT = 'test "$(realpath -- "$3")" = "$3" || exit 9; mount -t "$1" -o "$4" "$2" "$3"'
"""Not where a link of the image leads out of its tree."""

RESOLVER = r"""
set -e
mkdir -p /etc /run/labwright
place=/etc/resolv.conf
if [ -L $place ]; then
    target=$(readlink $place)
    case $target in
    /run/*) ;;
    ../run/*) target=/${target#../} ;;
    *) target= ;;
    esac
    if [ -n "$target" ]; then
        mkdir -p "$(dirname "$target")"
        cat > "$target"
        exit 0
    fi
fi
if [ -e /etc/.resolv.conf.labwright ] || [ -L /etc/.resolv.conf.labwright ]; then
    # From a run that was cut short: what is here now is ours.
    rm -f $place
elif [ -e $place ] || [ -L $place ]; then
    mv $place /etc/.resolv.conf.labwright
fi
cat > $place
cksum < $place > /run/labwright/resolver
"""
PUT_BACK = r"""
place=/etc/resolv.conf
if [ -e /run/labwright/resolver ]; then
    if ! [ -L $place ] && [ "$(cksum < $place)" = "$(cat /run/labwright/resolver)" ]; then rm -f $place; fi
    if [ -e /etc/.resolv.conf.labwright ] || [ -L /etc/.resolv.conf.labwright ]; then
        if [ -e $place ] || [ -L $place ]; then rm -f /etc/.resolv.conf.labwright
        else mv /etc/.resolv.conf.labwright $place; fi
    fi
fi
sync
"""
"""A resolv.conf that the run itself put there, by a package say, stays; ours goes."""

TAKEN = (
    "sys_module", "sys_rawio", "sys_boot", "sys_time", "sys_chroot", "sys_admin", "sys_ptrace", "sys_pacct", "mknod",
    "net_admin", "bpf", "perfmon", "checkpoint_restore", "mac_admin", "mac_override", "syslog", "dac_read_search",
    "audit_control", "wake_alarm", "linux_immutable",
)  # fmt: skip
"""Capabilities (capabilities(7)) that a package's scripts have no use for and an escape has."""
ENTERED = 'unset TMPDIR SSL_CERT_FILE SOURCE_DATE_EPOCH; exec "$@"'
"""What our own environment has for this host is not for the guest."""
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}


class MountedGuest(Guest):
    """A tree that is mounted where only a process of ours sees it."""

    method = "mounted"

    def __init__(self, holder: int, root: Path, bench: Workbench) -> None:
        self._holder = holder
        self._root = root
        self._bench = bench

    def _execute(self, argv: Sequence[str], stdin: bytes | Path, seconds: float) -> Answer:
        """Run a command in the tree."""
        # By a pipe, never by a descriptor of a file of this host: the guest could write to that.
        data = stdin.read_bytes() if isinstance(stdin, Path) else stdin
        # What a task answers may be a secret that Ansible was told not to log.
        log = {} if self.logged else {"log": None}
        done = self._bench.run(
            [*self.enter(), *argv], stdin=data, env=QUIET, timeout=seconds, accept=range(-64, 256),
            what=f"{argv[0]} in the guest", **log,
        )  # fmt: skip
        return Answer(done.code, done.output, done.errors)

    def enter(self) -> list[str]:
        """The arguments before a command that runs it in the tree."""
        taken = ",".join(f"cap_{name}" for name in TAKEN)
        return [
            "nsenter", "--target", str(self._holder), "--mount", "--pid", "--uts", "--ipc", "--",
            "capsh", f"--chroot={self._root}", f"--drop={taken}", "--shell=/bin/sh", "--", "-c", ENTERED, "sh",
        ]  # fmt: skip

    def mount(self, device: str, place: str, kind: str) -> None:
        """Mount another partition of the image in its tree."""
        target = self._root / place.lstrip("/")
        words = ["sh", "-c", MOUNT, "sh", kind, device, str(target), options_for(kind)]
        self._outside(words, f"{place} cannot be mounted")

    def resolve_names(self) -> None:
        """Have it ask the name servers of this host, while it is entered."""
        answer = self.execute(["sh", "-c", RESOLVER], Path("/etc/resolv.conf"))
        self._must(answer, "the guest's resolv.conf cannot be written")

    def put_resolver_back(self) -> None:
        """As it was before."""
        self.script(PUT_BACK, "the guest's resolv.conf cannot be put back")

    def unmount(self) -> None:
        """Unmount everything, so that all is on the disk; an error here is an error of the build.

        What the image's programs left running in there is ended first.
        """
        self._bench.run(
            ["nsenter", "--target", str(self._holder), "--mount", "--pid", "--", "sh", "-c", "kill -KILL -1; true"],
            what="what still runs in the guest cannot be ended", timeout=60,
        )  # fmt: skip
        self._outside(["fstrim", "--quiet-unsupported", str(self._root)], "the unused blocks cannot be given back")
        self._outside(["umount", "--recursive", str(self._root)], "the tree cannot be unmounted")

    def _outside(self, argv: Sequence[str], what: str) -> None:
        self._bench.run(["nsenter", "--target", str(self._holder), "--mount", "--", *argv], what=what, timeout=300)


@contextlib.contextmanager
def tree_guest(tree: Path, bench: Workbench) -> Iterator[Guest]:
    """An unpacked tree, entered; also in a user namespace, where no disk may be mounted. Raises LabwrightError."""
    folder = bench.scratch / "entered"
    folder.mkdir(exist_ok=True)
    with _holder(folder, str(tree), "", True, bench.ledger) as holder:
        guest = MountedGuest(holder, folder, bench)
        guest.resolve_names()
        yield guest
        guest.put_resolver_back()


@contextlib.contextmanager
def mounted_guest(content: Content, root: Part, bench: Workbench, fresh: bool = True) -> Iterator[Guest]:
    """The system on a partition of a raw disk, entered. What is written in it is on the disk afterwards.

    fresh: without what is left on the disk in /tmp and /run. Raises LabwrightError; then everything is given back too.
    """
    for tool in ("capsh", "nsenter", "losetup"):
        find_tool(tool)
    folder = bench.scratch / "root"
    folder.mkdir(exist_ok=True)
    with bench.ledger.hold("loop", content.disk), contextlib.ExitStack() as stack:
        device = _loop(content, root, bench)
        _check(device, root, bench)
        holder = stack.enter_context(_holder(folder, device, root.filesystem, fresh, bench.ledger))
        guest = MountedGuest(holder, folder, bench)
        table = guest.execute(["cat", "/etc/fstab"]).output
        for part, place in more_mounts(content, root, table):
            other = _loop(content, part, bench)
            _check(other, part, bench)
            guest.mount(other, place, part.filesystem)
        guest.resolve_names()
        try:
            yield guest
        except BaseException:
            # The disk may be kept, to be looked at and entered again; and its loop device is free only after this.
            for last in (guest.put_resolver_back, guest.unmount):
                with contextlib.suppress(LabwrightError):
                    last()
            raise
        guest.put_resolver_back()
        guest.unmount()


def _loop(content: Content, part: Part, bench: Workbench) -> str:
    done = bench.run(
        ["losetup", "--find", "--show", "--offset", str(part.offset), "--sizelimit", str(part.size), content.disk],
        what="no loop device for the disk", hint="labwright doctor says what is lacking; or use --method appliance",
    )  # fmt: skip
    return str(done.output.strip())


def _check(device: str, part: Part, bench: Workbench) -> None:
    """Replay the journal and mend what a crash leaves, in a program of its own rather than in this host's kernel."""
    if part.filesystem.startswith("ext"):
        bench.run(
            ["e2fsck", "-p", device], accept=(0, 1), cause=Cause.CONFIG, timeout=600,
            what=f"the file system of partition {part.number} is damaged",
            hint="mend a copy of it with e2fsck -f, or make the image again",
        )  # fmt: skip


@contextlib.contextmanager
def _holder(folder: Path, device: str, kind: str, fresh: bool, ledger: Ledger) -> Iterator[int]:
    """A process whose namespaces have the tree mounted; its id. Everything in them ends with it."""
    mark = f"guest-{os.getpid()}-{time.monotonic_ns()}"
    with ledger.hold("process", mark):
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--propagation", "private", "--pid", "--uts",
             "--ipc", "--fork", "--kill-child=KILL", "--", "sh", "-c", HOLD, "sh", str(folder), device, kind,
             options_for(kind), "yes" if fresh else "no"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env=environment() | {MARK_VARIABLE: mark},
        )  # fmt: skip
        try:
            assert process.stdout is not None and process.stderr is not None
            if process.stdout.readline() != "ready\n":
                raise LabwrightError(
                    "the guest's file system cannot be mounted",
                    cause=Cause.GUEST,
                    details=process.stderr.read(4096).splitlines()[-5:],
                    hint="use --method appliance; labwright doctor says what this host can mount",
                )
            yield _child_of(process.pid)
        finally:
            process.kill()
            process.communicate()


def _child_of(parent: int) -> int:
    """The process that unshare(1) started: the first in the new namespaces."""
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            if path.name.isdigit() and int(process_fields(int(path.name))[1]) == parent:
                return int(path.name)
    raise LabwrightError("the guest's holder vanished", cause=Cause.HOST, hint="run it again")
