"""run(): the one way to start a child process and wait for it.

A list of arguments, never a shell; a clean environment; standard input closed; output to a log and to memory; all that
it started ended when it ends, on a time limit, on Ctrl-C and when we die.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError, os_error
from labwright.host.environment import environment, find_tool
from labwright.host.streams import Pipes, Streams
from labwright.host.teardown import MARK_VARIABLE, PATIENCE, end_processes

CONTAINED_PATIENCE = 0.5
"""PATIENCE for a command in namespaces of its own: what it would clean up goes with them, and as process 1 of them it
does not see a SIGTERM that it has no handler for (pid_namespaces(7))."""

Stop = Callable[[], LabwrightError | None]
"""Says whether what goes on is to stop: by the error to raise then."""
STOP_PAUSE = 0.5
"""Seconds between two questions whether it is to stop."""


@dataclass(frozen=True)
class Completed:
    """A child that ended. output: standard output; errors: the beginning of standard error.

    log_tail: the last lines of both streams, oldest first.
    """

    argv: tuple[str, ...]
    code: int
    output: str
    log_tail: tuple[str, ...]
    seconds: float
    errors: str = ""


def contained_prefix() -> list[str]:
    """Arguments that put a command in its own mount and process namespaces: when it ends, nothing of it is left.

    The kernel unmounts and kills what is in there even when we are killed with SIGKILL.
    """
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *own, "--mount", "--propagation", "private", "--pid", "--mount-proc", "--fork",
            "--kill-child=KILL"]  # fmt: skip


ENTER = 'unset TMPDIR && mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
"""Fixed text; the tree and the command reach it as arguments, so that nothing in them is read as shell."""


def chroot_command(tree: Path, argv: Sequence[str]) -> list[str]:
    """Arguments that run a command in a tree with /dev and /proc there. For contained=True, which unmounts them."""
    return ["sh", "-c", ENTER, str(tree), *argv]


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes | None = None,
    log: Path | None = None,
    temporary: Path | None = None,
    timeout: float | None = None,
    contained: bool = False,
    accept: Iterable[int] = (0,),
    what: str = "",
    hint: str = "",
    cause: Cause = Cause.HOST,
    on_line: Callable[[str], None] | None = None,
    unlogged: str = "",
    stop: Stop | None = None,
) -> Completed:
    """Run a command to its end.

    stdin: its standard input (secrets go here, never in argv).
    log: a file that gets both streams, appended.
    temporary: where it puts its temporary files (TMPDIR), which a child that is killed leaves behind.
    timeout: seconds. contained: in namespaces of its own (see contained_prefix). accept: exit codes that are fine.
    what: the words for an error, by default the command's name. cause, hint: of that error, unless the output shows a
    better one. on_line: called with every line of either stream; what it raises ends the command and is raised here.
    unlogged: lines that begin so are for on_line alone. stop: asked twice a second; an error that it gives ends the
    command and is raised.
    Processes that the command left in the background are ended with it.
    Raises LabwrightError on another exit code, on a missing tool, on the time limit and when the log cannot be written.
    """
    words = tuple(str(word) for word in argv)
    find_tool(words[0])
    subject = what or f"{Path(words[0]).name} failed"
    mark = uuid.uuid4().hex
    env = ({"TMPDIR": str(temporary)} if temporary else {}) | dict(env or {})
    started = time.monotonic()
    timed_out, stopped = False, None
    with Streams(log, subject, on_line, unlogged) as streams:
        try:
            process = _start([*(contained_prefix() if contained else []), *words], cwd, env, mark, stdin, subject)
            pipes = Pipes(process.stdin, process.stdout, process.stderr,
                          end=lambda: os.killpg(process.pid, signal.SIGKILL))  # fmt: skip
            streams.attach(pipes, stdin.encode() if isinstance(stdin, str) else stdin)
            try:
                stopped = _wait(process, timeout, stop)
            except subprocess.TimeoutExpired:
                timed_out = True
        finally:
            # Not only after a failure: a child in the background would hold the streams, or write into what comes next.
            end_processes(mark, CONTAINED_PATIENCE if contained else PATIENCE)
        code = process.wait()
    done = Completed(words, code, streams.output, streams.tail, time.monotonic() - started, streams.errors)
    if streams.failure is not None:
        raise streams.failure
    if stopped is not None:
        raise stopped
    if timed_out:
        raise out_of_time(done, subject, timeout or 0, cause, hint, log)
    if code not in set(accept):
        raise failure(done, subject, cause, hint, log)
    return done


def _wait(process: subprocess.Popen[bytes], timeout: float | None, stop: Stop | None) -> LabwrightError | None:
    """Until it has ended, or why it is to end. Raises subprocess.TimeoutExpired."""
    if stop is None:
        process.wait(timeout)
        return None
    until = None if timeout is None else time.monotonic() + timeout
    while (error := stop()) is None:
        left = STOP_PAUSE if until is None else min(STOP_PAUSE, until - time.monotonic())
        try:
            process.wait(max(0.0, left))
        except subprocess.TimeoutExpired:
            if until is not None and time.monotonic() >= until:
                raise
        else:
            return None
    return error


def _start(
    argv: Sequence[str],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    mark: str,
    stdin: str | bytes | None,
    subject: str,
) -> subprocess.Popen[bytes]:
    find_tool("setpriv")
    try:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *argv],
            cwd=cwd,
            env=environment(env) | {MARK_VARIABLE: mark},
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise os_error(error, subject) from error


SIGNS = (
    (Cause.MEMORY, ("Cannot allocate memory", "virtual memory exhausted", "out of memory", "Out of memory",
                    "MemoryError",
                    "cannot set up guest memory", "Killed signal terminated program"),
     "give it more memory (ulimit -v, the container's limit, swap) or build less at once; then run it again"),
    (Cause.DISK_FULL, ("No space left on device", "Disk quota exceeded", "not enough free space",
                       "more space on the / "),
     "free some space, or put the work elsewhere with LABWRIGHT_CACHE and --out; then run the same command again"),
    (Cause.SIGNATURE, ("NO_PUBKEY", "BADSIG", "EXPKEYSIG", "not live until", "Hash Sum mismatch",
                       "Release file is expired", "Release signed by unknown key", "Invalid Release signature",
                       "is not valid yet", "is expired", "File has unexpected size"),
     "the mirror's signature does not hold: check build.mirror and build.keyring, and this machine's clock"),
    (Cause.NETWORK, ("Could not resolve", "Temporary failure resolving", "Could not connect", "Connection refused",
                     "404  Not Found", "Connection timed out", "Unable to connect", "503  ", "does not have a Release"
                     " file", "Failed to fetch", "Network is unreachable", "Connection failed",
                     "Clearsigned file isn't valid", "Undetermined Error"),
     "check build.mirror, the suite's name and this machine's network; then run the same command again"),
    # Also said of a repository that could not be reached, so it comes after all that shows that.
    (Cause.SIGNATURE, ("is not signed", "is no longer signed"),
     "the mirror is not signed: labwright takes packages from signed archives only; check build.mirror"),
)  # fmt: skip
"""What the tools that we call print when the cause is not their own, and the remedy."""


def recognise(lines: Iterable[str]) -> tuple[Cause, str] | None:
    """The class of cause and the remedy that a tool's own words show, or None."""
    text = "\n".join(lines)
    for cause, signs, remedy in SIGNS:
        if any(sign in text for sign in signs):
            return cause, remedy
    return None


def failure(done: Completed, subject: str, cause: Cause, hint: str, log: Path | None) -> LabwrightError:
    """The error for an exit code that is not fine."""
    seen = recognise(done.log_tail)
    if done.code == -signal.SIGKILL:
        seen = (Cause.MEMORY, "something killed it, most likely for want of memory (dmesg | tail shows): give it more")
    kind, remedy = seen or (cause, hint)
    return LabwrightError(f"{subject} (exit code {done.code})", cause=kind, hint=remedy or hint,
                          details=done.log_tail[-12:], log=log)  # fmt: skip


def out_of_time(
    done: Completed, subject: str, timeout: float, cause: Cause, hint: str, log: Path | None
) -> LabwrightError:
    """The error for a child that was ended after `timeout` seconds."""
    return LabwrightError(f"{subject}: no end after {timeout:.0f} s", cause=cause, details=done.log_tail[-10:],
                          log=log, hint=hint or "is the machine overloaded? run it again")  # fmt: skip
