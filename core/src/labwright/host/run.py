"""run(): the one way to start a child process and wait for it.

A list of arguments, never a shell; a clean environment; standard input closed; output to a log and to memory; the
whole process group ended on a time limit, on Ctrl-C and when we die.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labwright.errors import Cause, LabwrightError
from labwright.host.ledger import LEDGER_VARIABLE, end_processes

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE",
             "TMPDIR", "HOME", "CCACHE_DIR", "SOURCE_DATE_EPOCH")  # fmt: skip
"""The only variables of our own environment that a child sees: the host must not leak into what is built."""

KEEP_LINES = 40

PACKAGE_OF_TOOL = {
    "mmdebstrap": "mmdebstrap", "debootstrap": "debootstrap", "sfdisk": "fdisk", "mke2fs": "e2fsprogs",
    "grub-mkimage": "grub-common grub-pc-bin grub-efi-amd64-bin", "mcopy": "mtools", "mmd": "mtools",
    "mkfs.vfat": "dosfstools", "qemu-img": "qemu-utils", "qemu-system-x86_64": "qemu-system-x86",
    "make": "build-essential bc bison flex libelf-dev libssl-dev", "gcc": "build-essential", "flex": "flex",
    "bison": "bison", "bc": "bc", "zstd": "zstd", "xz": "xz-utils", "apt-get": "apt", "dpkg-deb": "dpkg",
    "rsync": "rsync", "cpio": "cpio", "depmod": "kmod",
}  # fmt: skip
"""The Debian packages that bring the tools we call, for the remedy of a missing one."""


@dataclass(frozen=True)
class Completed:
    """A child that ended. output: standard output; log_tail: the last lines of both streams, oldest first."""

    argv: tuple[str, ...]
    code: int
    output: str
    log_tail: tuple[str, ...]
    seconds: float


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: a fixed path and locale, proxies, and what `extra` adds."""
    base = {"PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "TZ": "UTC"}
    base.update({name: os.environ[name] for name in PASSED_ON if name in os.environ})
    base.setdefault("HOME", "/nonexistent")
    base.update(extra or {})
    return base


def find_tool(name: str) -> str:
    """The path of a tool, or LabwrightError naming the package that brings it."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        package = PACKAGE_OF_TOOL.get(name, name)
        raise LabwrightError(
            f"the tool {name} is not installed",
            cause=Cause.HOST,
            hint=f"install it: apt-get install {package} (or everything at once: make setup)",
        )
    return found


def contained_prefix() -> list[str]:
    """Arguments that put a command in its own mount and process namespaces: when it ends, nothing of it is left.

    The kernel unmounts and kills what is in there even when we are killed with SIGKILL.
    """
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [
        "unshare",
        *own,
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--mount-proc",
        "--fork",
        "--kill-child=KILL",
    ]


ENTER = 'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
"""Fixed text; the tree and the command reach it as arguments, so that nothing in them is read as shell."""


def chroot_command(tree: Path, argv: Sequence[str]) -> list[str]:
    """Arguments that run a command in a tree with /dev and /proc there. For contained=True, which unmounts them."""
    return ["sh", "-c", ENTER, str(tree), *argv]


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    log: Path | None = None,
    timeout: float | None = None,
    contained: bool = False,
    accept: Iterable[int] = (0,),
    what: str = "",
    hint: str = "",
    cause: Cause = Cause.HOST,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run a command to its end.

    stdin: text for its standard input (secrets go here, never in argv). log: a file that gets both streams, appended.
    timeout: seconds. contained: in namespaces of its own (see contained_prefix). accept: exit codes that are fine.
    what: the words for an error, by default the command's name. cause, hint: of that error, unless the output shows a
    better one. on_line: called with every line of either stream.
    Raises LabwrightError on another exit code, on a missing tool and on the time limit.
    """
    words = [str(word) for word in argv]
    find_tool(words[0])
    command = ["setpriv", "--pdeathsig", "KILL", "--", *(contained_prefix() if contained else []), *words]
    mark = uuid.uuid4().hex
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment(env) | {LEDGER_VARIABLE: mark},
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    collector = _Collector(log, on_line)
    readers = collector.start(process)
    timed_out = False
    try:
        if stdin is not None and process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(stdin)
                process.stdin.close()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
    finally:
        _end(process, mark)
        for reader in readers:
            reader.join()
        collector.close()
    done = Completed(
        tuple(words),
        process.returncode,
        "".join(collector.output),
        tuple(collector.tail),
        time.monotonic() - started,
    )
    subject = what or f"{Path(words[0]).name} failed"
    if timed_out:
        raise LabwrightError(f"{subject}: no end after {timeout:.0f} s", cause=cause, details=done.log_tail[-10:],
                             log=log, hint=hint or "is the machine overloaded? run it again")  # fmt: skip
    if done.code not in set(accept):
        raise _failure(done, subject, cause, hint, log)
    return done


def _end(process: subprocess.Popen[str], mark: str) -> None:
    """End the child and everything that it started, if anything is still there."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        end_processes(mark)
    process.wait()


class _Collector:
    """Reads both streams of a child at once: to memory, to the log, to whoever listens."""

    def __init__(self, log: Path | None, on_line: Callable[[str], None] | None) -> None:
        self.output: list[str] = []
        self.tail: deque[str] = deque(maxlen=KEEP_LINES)
        self._on_line = on_line
        self._lock = threading.Lock()
        self._log: IO[str] | None = None
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            self._log = log.open("a")

    def start(self, process: subprocess.Popen[str]) -> list[threading.Thread]:
        streams = ((process.stdout, True), (process.stderr, False))
        threads = [threading.Thread(target=self._read, args=pair, daemon=True) for pair in streams]
        for thread in threads:
            thread.start()
        return threads

    def _read(self, stream: IO[str], keep: bool) -> None:
        for line in stream:
            with self._lock:
                if keep:
                    self.output.append(line)
                self.tail.append(line.rstrip())
                if self._log is not None:
                    self._log.write(line)
                    self._log.flush()
                if self._on_line is not None:
                    self._on_line(line.rstrip())
        stream.close()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()


SIGNS = (
    (Cause.DISK_FULL, ("No space left on device", "Disk quota exceeded", "not enough free space"),
     "free some space, or put the work elsewhere with LABWRIGHT_CACHE and --out; then run the same command again"),
    (Cause.SIGNATURE, ("NO_PUBKEY", "BADSIG", "EXPKEYSIG", "is not signed", "not live until", "Hash Sum mismatch",
                       "Release file is expired", "Release signed by unknown key", "Invalid Release signature"),
     "the mirror's signature does not hold: check build.mirror and build.keyring, and this machine's clock"),
    (Cause.NETWORK, ("Could not resolve", "Temporary failure resolving", "Could not connect", "Connection refused",
                     "404  Not Found", "Connection timed out", "Unable to connect", "503  ", "does not have a Release"
                     " file", "Failed to fetch", "Network is unreachable", "Connection failed"),
     "check build.mirror, the suite's name and this machine's network; then run the same command again"),
)  # fmt: skip
"""What the tools that we call print when the cause is not their own, and the remedy."""


def recognise(lines: Iterable[str]) -> tuple[Cause, str] | None:
    """The class of cause and the remedy that a tool's own words show, or None."""
    text = "\n".join(lines)
    for cause, signs, remedy in SIGNS:
        if any(sign in text for sign in signs):
            return cause, remedy
    return None


def _failure(done: Completed, subject: str, cause: Cause, hint: str, log: Path | None) -> LabwrightError:
    seen = recognise(done.log_tail)
    if done.code == -signal.SIGKILL:
        seen = (Cause.HOST, "something killed it: out of memory? (dmesg | tail) give it more, or build less at once")
    kind, remedy = seen or (cause, hint)
    return LabwrightError(f"{subject} (exit code {done.code})", cause=kind, hint=remedy or hint,
                          details=done.log_tail[-12:], log=log)  # fmt: skip
