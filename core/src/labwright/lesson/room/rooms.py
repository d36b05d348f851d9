"""Rooms for the jobs of lessons: opened once, entered by many threads at a time."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labwright.errors import Cause, LabwrightError, os_error
from labwright.host.environment import SEARCH_PATH, environment
from labwright.host.ledger import Ledger
from labwright.host.run import Completed, Stop, contained_prefix, failure, out_of_time
from labwright.host.streams import Pipes, Streams
from labwright.host.teardown import MARK_VARIABLE
from labwright.host.text import plain
from labwright.lesson.room import kernel, places
from labwright.lesson.room.root import HOST_NAME, LESSON
from labwright.lesson.room.wire import Layout, Request, receive_descriptors, replies, send, send_descriptors

WARM = ("paramiko", "scp", "requests", "labwright.kit")
"""What scripts of lessons import most, and what takes long to import; what is not installed is left out."""
START_SECONDS = 120.0
END_SECONDS = 10.0
"""For the kernel to end a room's processes, and for the server to end."""
ASKING = 0.5
"""Seconds between two looks at `stop`."""
NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
REMEDY = ("rooms take Linux 5.12 or later, with user and process namespaces; in a container /proc must not be masked "
          "and mount must be allowed (podman or docker: --security-opt systempaths=unconfined --security-opt "
          "seccomp=unconfined --cap-add SYS_ADMIN)")  # fmt: skip


@dataclass(frozen=True)
class _Job:
    """One running job. room: a pidfd of its process 1; channel: what that says; lesson: of its request; pipes: our ends
    of the streams.
    """

    room: int
    channel: socket.socket
    lesson: str
    pipes: Pipes


class Rooms:
    """Where jobs run. Its methods may be called from many threads at once."""

    def __init__(self, server: subprocess.Popen[bytes], control: socket.socket, errors: IO[bytes]) -> None:
        self._server = server
        self._control = control
        self._errors = errors
        self._lock = threading.Lock()
        self._closed = False

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        lesson: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | bytes | None = None,
        log: Path | None = None,
        timeout: float | None = None,
        accept: Iterable[int] = (0,),
        what: str = "",
        hint: str = "",
        cause: Cause = Cause.GUEST,
        on_line: Callable[[str], None] | None = None,
        stop: Stop | None = None,
    ) -> Completed:
        """Run a command in a room to its end; parameters and errors are those of labwright.host.run.run.

        lesson: the folder that is /antidote there, and writable. cwd: as the room sees it, by default /antidote.
        env: beside what `room_environment` gives. stop: asked twice a second; the error it returns ends the job and is
        raised. Raises LabwrightError (host) where a room cannot be made, or the fork server has died.
        """
        words = tuple(str(word) for word in argv)
        subject = what or f"{Path(words[0]).name} failed"
        if not lesson.is_dir():
            raise LabwrightError(f"{subject}: {lesson} is not a folder", cause=Cause.CONFIG, hint="name the lesson's")
        data = stdin.encode() if isinstance(stdin, str) else stdin
        started = time.monotonic()
        with Streams(log, subject, on_line) as streams:
            job = self._launch(subject, data is not None, lesson)
            request = Request(words, room_environment() | dict(env or {}), job.lesson, str(cwd or LESSON))
            try:
                # Whatever happened to the room meanwhile, its end says it.
                with contextlib.suppress(OSError):
                    send(job.channel, request)
                streams.attach(job.pipes, data)
                ended = _wait(job, None if timeout is None else started + timeout, stop)
            finally:
                said = self._end(job, subject)
        code = self._code(said, subject, streams.failure is None and ended, cause, hint)
        done = Completed(words, code, streams.output, streams.tail, time.monotonic() - started, streams.errors)
        if streams.failure is not None:
            raise streams.failure
        if not ended:
            raise out_of_time(done, subject, timeout or 0, cause, hint, log)
        if code not in set(accept):
            raise failure(done, subject, cause, hint, log)
        return done

    def _launch(self, subject: str, with_stdin: bool, lesson: Path) -> _Job:
        """Hand the ends of streams and of a channel to the server, and take the room that it makes."""
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            with self._lock:
                try:
                    channel, other = socket.socketpair()
                    ours.callback(channel.close)
                    theirs.callback(other.close)
                    stdin = _pipe_in(ours, theirs) if with_stdin else (None, _nothing(theirs))
                    stdout, stderr = _pipe_out(ours, theirs), _pipe_out(ours, theirs)
                    folder, tree = _tree_of(lesson)
                    theirs.callback(os.close, tree)
                    descriptors = [stdin[1], stdout[1], stderr[1], other.fileno(), tree]
                except OSError as error:
                    raise os_error(error, subject) from error
                try:
                    send_descriptors(self._control, descriptors)
                except OSError as error:
                    raise self._dead(subject) from error
                # With our copies closed, the end of the server is the end of the channel.
                theirs.close()
            # A server that is stopped or starved must not hold its callers for ever.
            channel.settimeout(START_SECONDS)
            try:
                rooms = receive_descriptors(channel, 1)
            except (OSError, EOFError) as error:
                raise self._dead(subject) from error
            if not rooms:
                raise self._dead(subject)
            room = rooms[0]
            ours.pop_all()
        return _Job(room, channel, folder, Pipes(stdin[0], stdout[0], stderr[0], end=lambda: _kill(room)))

    def _end(self, job: _Job, subject: str) -> bytes:
        """End the room if it is still there, wait until the kernel has ended all that was in it, and hear its words."""
        try:
            _kill(job.room)
            if not _ended(job.room, END_SECONDS):
                raise LabwrightError(
                    f"{subject}: its processes do not end", cause=Cause.HOST,
                    hint="they wait in the kernel (a dead disk or network mount?): labwright clean once they are gone",
                )  # fmt: skip
            said = bytearray()
            job.channel.setblocking(False)
            with contextlib.suppress(OSError):
                while part := job.channel.recv(1 << 16):
                    said += part
            return bytes(said)
        finally:
            os.close(job.room)
            job.channel.close()

    def _code(self, said: bytes, subject: str, by_itself: bool, cause: Cause, hint: str) -> int:
        """The exit code, or the error of a job that never began."""
        for line in replies(said):
            if "refused" in line:
                raise _no_room(f"{subject}: no room can be made for it ({plain(line['refused'])})")
            if "missing" in line:
                raise LabwrightError(f"{subject}: {plain(line['missing'])}", cause=cause, hint=hint)
            if "excess" in line:
                raise LabwrightError(
                    f"{subject}: {plain(line['excess'])}, so it was ended",
                    cause=Cause.DISK_FULL if line["disk"] else cause,
                    hint="does it repeat itself? docs/configure.md has what a job may take",
                )
            return int(line["code"])
        if by_itself and self._server_ended():
            raise self._dead(subject)
        return -signal.SIGKILL

    def _server_ended(self) -> bool:
        try:
            self._server.wait(1)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Let no job begin any more; those that run end with the server."""
        self._closed = True

    def _dead(self, subject: str) -> LabwrightError:
        if self._closed:
            return LabwrightError(f"{subject}: stopped", cause=Cause.INTERRUPTED, hint="run it again")
        return LabwrightError(
            f"{subject}: the process from which jobs are started is gone or can start none", cause=Cause.HOST,
            details=_last_lines(self._errors),
            hint="was it killed for want of memory (dmesg | tail shows), or are there too many processes? run it again",
        )  # fmt: skip


@contextlib.contextmanager
def open_rooms(hosts: Mapping[str, str], scratch: Path, ledger: Ledger, warm: Sequence[str] = WARM) -> Iterator[Rooms]:
    """Rooms in the current network namespace, for root of the host or of a user namespace.

    hosts: address by name, which every room resolves. scratch: a folder of ours; jobs do not see it, lessons may lie in
    it. warm: modules that Python scripts find loaded.
    Raises LabwrightError (host) where rooms cannot be made. At its end nothing that ran in them is left.
    """
    folder, mark = scratch / f"room-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    text = hosts_text(hosts)
    with ledger.hold("folder", folder), ledger.hold("process", mark), tempfile.TemporaryFile() as errors:
        try:
            (folder / "root").mkdir(parents=True)
            folder.chmod(0o700)
        except OSError as error:
            raise os_error(error, "making rooms failed") from error
        hidden = places.hidden(scratch)
        visible = places.visible([*hidden, *places.own()])
        layout = Layout(str((folder / "root").resolve()), text, tuple(map(str, hidden)), tuple(map(str, visible)),
                        tuple(map(str, places.sockets(hidden))), tuple(warm))  # fmt: skip
        with _server(folder, mark, errors) as (server, control):
            _await_ready(control, layout, errors)
            rooms = Rooms(server, control, errors)
            try:
                yield rooms
            finally:
                rooms.close()


@contextlib.contextmanager
def _server(folder: Path, mark: str, errors: IO[bytes]) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    ours, theirs = socket.socketpair()
    # Readable when we die, in whatever process namespace it is looked at; a signal on our death would come already when
    # the thread ends that started the server.
    owner = os.pidfd_open(os.getpid())
    try:
        server = subprocess.Popen(
            [*contained_prefix(), sys.executable, "-m", "labwright.lesson.room.server", str(theirs.fileno()),
             str(owner)],
            cwd=folder, env=room_environment() | {MARK_VARIABLE: mark}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=errors, pass_fds=(theirs.fileno(), owner), start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        ours.close()
        raise os_error(error, "making rooms failed") from error
    finally:
        theirs.close()
        os.close(owner)
    try:
        yield server, ours
    finally:
        # Closing alone would leave it open for a thread that waits in it.
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)
        ours.close()
        try:
            server.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await_ready(control: socket.socket, layout: Layout, errors: IO[bytes]) -> None:
    control.settimeout(START_SECONDS)
    said = bytearray()
    try:
        send(control, layout)
        while not said.endswith(b"\n") and (part := control.recv(1 << 16)):
            said += part
    except OSError as error:
        raise _no_room(f"making rooms failed: {error}", _last_lines(errors)) from error
    control.settimeout(None)
    answer = next(replies(bytes(said)), {"refused": "the server ended at its start"})
    if "refused" in answer:
        raise _no_room(f"making rooms failed: {plain(answer['refused'])}", _last_lines(errors))
    if answer["threaded"]:
        raise LabwrightError(
            f"making rooms failed: {', '.join(answer['threaded'])} starts threads when it is imported",
            cause=Cause.CONFIG, hint="leave it out of what is loaded beforehand; scripts can import it all the same",
        )  # fmt: skip


def room_environment() -> dict[str, str]:
    """What every job has in its environment, for Python, Ansible and git beside the usual."""
    return places.python_variables() | {
        **{name: environment()[name] for name in ("LANG", "LC_ALL", "TZ")},
        "PATH": f"{Path(sys.executable).parent}:{SEARCH_PATH}",
        "HOME": "/root", "USER": "root", "LOGNAME": "root", "TMPDIR": "/tmp",  # noqa: S108
        # Or git refuses a tree that another user has unpacked.
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
    }  # fmt: skip


def hosts_text(hosts: Mapping[str, str]) -> str:
    """The lines of /etc/hosts. Raises LabwrightError (config) for a name or an address that is none."""
    lines = [f"127.0.0.1 localhost {HOST_NAME}", "::1 localhost"]
    for name, address in hosts.items():
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise LabwrightError(f"{plain(str(error))}", cause=Cause.CONFIG, hint="give an address") from error
        if not NAME.fullmatch(name):
            raise LabwrightError(f"{plain(name)!r} cannot be a host's name", cause=Cause.CONFIG,
                                 hint="letters, digits, hyphens, dots")  # fmt: skip
        lines.append(f"{address} {name}")
    return "\n".join(lines) + "\n"


def _wait(job: _Job, until: float | None, stop: Stop | None) -> bool:
    """Wait for the end of a job; whether it came in time. Raises what `stop` returns."""
    while True:
        left = None if until is None else max(0.0, until - time.monotonic())
        if _ended(job.room, left if stop is None else ASKING if left is None else min(ASKING, left)):
            return True
        if until is not None and time.monotonic() >= until:
            return False
        if stop is not None and (error := stop()) is not None:
            raise error


def _ended(room: int, seconds: float | None) -> bool:
    waiting = select.poll()
    waiting.register(room, select.POLLIN)
    return bool(waiting.poll(None if seconds is None else seconds * 1000))


def _kill(room: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(room, signal.SIGKILL)


def _tree_of(lesson: Path) -> tuple[str, int]:
    """A lesson's folder for a room: a descriptor, and a path where that is no mount of its own.

    A mount is found by whoever has the descriptor, whatever was mounted after the server's start and for whom; only
    whose mount namespace belongs to another user cannot make one.
    """
    try:
        return "", kernel.clone(lesson)
    except PermissionError:
        return str(lesson.resolve()), os.open(lesson, os.O_PATH | os.O_CLOEXEC)


def _pipe_in(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[IO[bytes], int]:
    read, write = os.pipe()
    theirs.callback(os.close, read)
    return ours.enter_context(os.fdopen(write, "wb")), read


def _pipe_out(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[IO[bytes], int]:
    read, write = os.pipe()
    theirs.callback(os.close, write)
    return ours.enter_context(os.fdopen(read, "rb")), write


def _nothing(theirs: contextlib.ExitStack) -> int:
    descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    theirs.callback(os.close, descriptor)
    return descriptor


def _last_lines(errors: IO[bytes]) -> list[str]:
    size = errors.seek(0, os.SEEK_END)
    return [plain(line) for line in os.pread(errors.fileno(), 4096, max(0, size - 4096)).decode(errors="replace")
            .splitlines()][-5:]  # fmt: skip


def _no_room(what: str, details: Sequence[str] = ()) -> LabwrightError:
    return LabwrightError(what, cause=Cause.HOST, details=details, hint=REMEDY)
