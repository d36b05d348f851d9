"""From a QEMU that runs to a machine that is ready: its own SSH answer, its own identity, the lesson's files in it."""

from __future__ import annotations

import contextlib
import logging
import shlex
import socket
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline, Heartbeat
from labwright.host.interrupts import undisturbed
from labwright.host.packets import BoundedTransport
from labwright.host.text import plain
from labwright.lesson.command import names_of
from labwright.lesson.parcel import SCRIPT, Identity, arguments, new_identity, parcel
from labwright.lesson.plan import SSH, MachinePlan
from labwright.vm.console import read_log
from labwright.vm.ready import CLOSED_PORT, PANIC, Greeting
from labwright.vm.ssh import Login, connect, converse

STEP, LOOK = 0.05, 2.0
LOGIN_SECONDS, SCRIPT_SECONDS, NEW_KEY_SECONDS = 30.0, 120.0, 60.0
LINES = 12


@dataclass(frozen=True)
class Guest:
    """A machine that was started. resumed: from a snapshot. console: what it writes. configured: jobs log in to it.

    limit: seconds from its start to its SSH answer. factor: of all other time limits.
    """

    machine: MachinePlan
    console: Path
    resumed: bool
    configured: bool
    limit: float
    factor: float


@dataclass(frozen=True)
class Ready:
    """A machine that may be shown. seconds: since its start. keys: its host keys, as in known_hosts(5)."""

    name: str
    seconds: float
    keys: tuple[str, ...]
    warning: str = ""


class Connections:
    """All that are open, for who ends them from another thread."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[paramiko.SSHClient | paramiko.Transport] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add(self, connection: paramiko.SSHClient | paramiko.Transport) -> None:
        """Note one that is being made."""
        with self._lock:
            self._open.add(connection)

    def close(self) -> None:
        """End them. One that has not begun yet goes on: call this until nobody waits any more."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            # Not a client's own close(): it forgets a transport that has not begun, which nobody could end then.
            transport = connection.get_transport() if isinstance(connection, paramiko.SSHClient) else connection
            if transport is not None:
                transport.close()


@dataclass(frozen=True)
class Watch:
    """What a wait looks at. ended: how a machine ended, in words, empty while it runs. started: of all machines."""

    ended: Callable[[str], str]
    say: Callable[[str], None]
    started: float
    over: threading.Event
    connections: Connections = field(default_factory=Connections)


def bring_up(
    guests: Sequence[Guest], lesson: Path, watch: Watch, when_ready: Callable[[Ready], None]
) -> tuple[Ready, ...]:
    """Wait for all at once, and prepare each as soon as it answers. when_ready: called for each, in its thread.

    Raises LabwrightError (guest) for the first that fails, when the others have stopped waiting.
    """
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    names = {guest.machine.name: guest.machine.peer_address for guest in guests}

    def one(guest: Guest) -> Ready:
        others = {name: address for name, address in names.items() if name != guest.machine.name}
        try:
            ready = _bring_up(guest, others, lesson, watch)
        except Exception as error:
            # Its connection was closed under it, which it may put in any words.
            if watch.over.is_set() and not isinstance(error, _StoppedError):
                raise _StoppedError from error
            raise
        when_ready(ready)
        return ready

    with ThreadPoolExecutor(len(guests), "guest") as pool:
        futures: list[Future[Ready]] = []
        try:
            with undisturbed():
                futures += [pool.submit(one, guest) for guest in guests]
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            watch.over.set()
            with undisturbed():
                # Not only asked to stop: a guest that says nothing holds a thread for as long as it may.
                while wait(futures, timeout=STEP).not_done:
                    watch.connections.close()
        failed = [error for error in (future.exception() for future in futures) if error]
        # Those that stopped because another failed have nothing to say.
        failed.sort(key=lambda error: isinstance(error, _StoppedError))
        if failed:
            raise failed[0]
        return tuple(future.result() for future in futures)


class _StoppedError(LabwrightError):
    """Waiting ended since something else failed."""

    def __init__(self) -> None:
        super().__init__("stopped", cause=Cause.INTERRUPTED)


def _bring_up(guest: Guest, others: Mapping[str, str], lesson: Path, watch: Watch) -> Ready:
    machine = guest.machine
    limit = Deadline(guest.limit)
    _until_it_greets(guest, limit, watch)
    identity = new_identity() if guest.resumed else None
    try:
        keys = _prepare(guest, others, lesson, identity, limit, watch)
    except _RefusedError as error:
        if guest.configured or guest.resumed or machine.image.kernel:
            raise error.error from None
        # The platform's own sign of readiness: a server that refuses a user has come up.
        return Ready(machine.name, time.monotonic() - watch.started, (), error.error.what)
    if identity:
        _until_it_is_itself(guest, identity, watch)
        keys = identity.public
    return Ready(machine.name, round(time.monotonic() - watch.started, 2), keys)


def _until_it_greets(guest: Guest, limit: Deadline, watch: Watch) -> None:
    greeting = Greeting(SSH, CLOSED_PORT, guest.machine.address)
    beat, looked = Heartbeat(watch.say), time.monotonic()
    with contextlib.closing(greeting):
        while not greeting.seen():
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                lines = last_lines(guest.console)
                if PANIC in "\n".join(lines):
                    raise guest_failure(guest, "its kernel gave up", "the lines above say why")
                beat.beat(f"{guest.machine.name}: {(lines or ['nothing on the console yet'])[-1]}")
            check_alive(guest, watch)
            if limit.expired:
                raise guest_failure(
                    guest,
                    f"no SSH server answered within {limit.seconds:.0f} s",
                    "the lines above say how far it came: is its network up, is sshd running? Is the host too busy?",
                )
            time.sleep(STEP)


def check_alive(guest: Guest, watch: Watch) -> None:
    """Raise LabwrightError (guest) where its machine has ended, or waiting has."""
    if words := watch.ended(guest.machine.name):
        raise guest_failure(guest, words, "the lines above are its last words")
    if watch.over.is_set():
        raise _StoppedError


class _RefusedError(Exception):
    """The server is there, and takes no such user."""

    def __init__(self, error: LabwrightError) -> None:
        super().__init__(error.what)
        self.error = error


def _prepare(
    guest: Guest, others: Mapping[str, str], lesson: Path, identity: Identity | None, limit: Deadline, watch: Watch
) -> tuple[str, ...]:
    """Log in and give it what it lacks: its host keys, as they are before that."""
    image = guest.machine.image
    login = Login(SSH, image.config_user, image.config_password, guest.machine.address)
    with _connected(guest, login, limit, watch) as client:
        transport = client.get_transport()
        assert transport is not None
        key = transport.get_remote_server_key()
        if image.shell:
            names = names_of(guest.machine)
            addresses = dict(zip(names[1:], guest.machine.macs[1:], strict=False))
            content = parcel(others, lesson, identity, addresses)
            words = arguments(image.user, guest.resumed, time.time(), names, guest.machine.macs[0])
            _send(guest, client, words, content)
        return (f"{key.get_name()} {key.get_base64()}",)


@contextlib.contextmanager
def _connected(guest: Guest, login: Login, limit: Deadline, watch: Watch):  # type: ignore[no-untyped-def]
    """A connection, tried until it is taken: a server that greets may not know its users yet."""
    with contextlib.ExitStack() as stack:
        while True:
            try:
                client = stack.enter_context(connect(login, LOGIN_SECONDS * guest.factor, watch.connections.add))
                break
            except LabwrightError as error:
                check_alive(guest, watch)
                refused = isinstance(error.__cause__, paramiko.AuthenticationException)
                if refused and (guest.resumed or not _still_booting(guest, watch)):
                    raise _RefusedError(
                        guest_failure(guest, error.what, "is the password in its image.meta.yaml right?")
                    ) from error
                if limit.expired:
                    raise guest_failure(guest, error.what, error.hint) from error
                time.sleep(1)
        yield client


def _still_booting(guest: Guest, watch: Watch) -> bool:
    """Devices start their SSH server before they have read their users; a Linux has them from the start."""
    return not guest.machine.image.kernel and time.monotonic() - watch.started < guest.limit / 2


def _send(guest: Guest, client: paramiko.SSHClient, words: Sequence[str], content: bytes) -> None:
    root = [] if guest.machine.image.config_user == "root" else ["sudo", "-n"]
    command = shlex.join([*root, "sh", "-c", SCRIPT, "labwright", *words])
    try:
        said = converse(client, command, SCRIPT_SECONDS * guest.factor, content)
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise guest_failure(
            guest, f"the lesson's files do not get in: {str(error) or 'time limit'}", "is it overloaded?"
        ) from error
    if said.code != 0:
        text = said.errors.decode(errors="replace")
        lines = [plain(line) for line in text.splitlines() if line.strip()][-LINES:]
        raise LabwrightError(
            f"{guest.machine.name}: the lesson's files do not get in (exit code {said.code})",
            cause=Cause.GUEST,
            details=lines,
            hint=f"does {guest.machine.image.slug} give {guest.machine.image.config_user} sudo without a password?",
        )


def _until_it_is_itself(guest: Guest, identity: Identity, watch: Watch) -> None:
    """Until its SSH server answers with the new key, at its new MAC address."""
    limit = Deadline(NEW_KEY_SECONDS * guest.factor)
    while True:
        check_alive(guest, watch)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            if host_key(guest.machine.address, 10 * guest.factor, watch.connections) in identity.public:
                return
        if limit.expired:
            raise guest_failure(
                guest, "the copy of the snapshot did not become a machine of its own",
                "start it anew: labwright lesson up --cold",
            )  # fmt: skip
        time.sleep(STEP * 4)


def host_key(address: str, seconds: float, connections: Connections) -> str:
    """The key that an SSH server shows, as in known_hosts(5). Raises OSError, EOFError, paramiko.SSHException."""
    with socket.create_connection((address, SSH), seconds) as connection:
        transport = BoundedTransport(connection)
        connections.add(transport)
        try:
            transport.banner_timeout = seconds
            transport.start_client(timeout=seconds)
            key = transport.get_remote_server_key()
            return f"{key.get_name()} {key.get_base64()}"
        finally:
            transport.close()


def last_lines(console: Path, count: int = LINES) -> list[str]:
    """The last lines of a console that are not empty."""
    return [line.rstrip()[:200] for line in read_log(console).splitlines() if line.strip()][-count:]


def guest_failure(guest: Guest, what: str, hint: str) -> LabwrightError:
    """An error of a machine, with the end of its console."""
    lines = last_lines(guest.console) or ["(the console is empty)"]
    return LabwrightError(f"{guest.machine.name}: {what}", cause=Cause.GUEST, details=lines, hint=hint)


__all__ = ["Guest", "Ready", "Watch", "bring_up", "host_key", "last_lines"]
