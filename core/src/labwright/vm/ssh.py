"""SSH into a machine of ours over loopback, by password."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import paramiko

from labwright.errors import Cause, LabwrightError
from labwright.host.packets import BoundedTransport

MOST_OUTPUT, MOST_ERRORS = 1 << 20, 1 << 16
"""Bytes that are read of what a command writes."""


@dataclass(frozen=True)
class Login:
    """Where and as whom. The password is a secret: no repr shows it."""

    port: int
    user: str
    password: str = field(repr=False)
    host: str = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What a command in the guest answered."""

    code: int
    text: str


def _nothing(client: paramiko.SSHClient) -> None:
    """Nobody else wants to close it."""


@contextmanager
def connect(
    login: Login, seconds: float, begun: Callable[[paramiko.SSHClient], None] = _nothing
) -> Iterator[paramiko.SSHClient]:
    """A connection by password; no keys and no agent of the host are used. Raises LabwrightError (guest).

    begun: gets it before it is made; another thread that closes it ends the wait for it, and for a command on it.
    """
    client = paramiko.SSHClient()
    begun(client)
    # The machine is minutes old and on loopback: there is no earlier key to compare with.
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # noqa: S507
    try:
        client.connect(
            login.host,
            login.port,
            login.user,
            login.password,
            timeout=seconds,
            banner_timeout=seconds,
            auth_timeout=seconds,
            allow_agent=False,
            look_for_keys=False,
            transport_factory=BoundedTransport,
        )
    except (paramiko.SSHException, OSError, EOFError) as error:
        client.close()
        raise LabwrightError(
            f"no login as {login.user} over SSH: {error}",
            cause=Cause.GUEST,
            hint="does the image have this user, and does its sshd allow passwords?",
        ) from error
    try:
        yield client
    finally:
        client.close()


def ask(client: paramiko.SSHClient, command: str, seconds: float, stdin: str = "") -> Answer:
    """Run a command of ours in the guest's shell. Raises LabwrightError (guest) when it does not end in time."""
    try:
        said = converse(client, command, seconds, stdin.encode())
    except (TimeoutError, paramiko.SSHException, OSError, EOFError) as error:
        raise no_answer(f"`{command}`", error) from error
    return Answer(said.code, (said.output + said.errors).decode(errors="replace"))


def no_answer(command: str, error: Exception) -> LabwrightError:
    """The error for a command in a guest that did not end as one should."""
    return LabwrightError(
        f"{command} gave no answer in the guest: {error or 'time limit'}",
        cause=Cause.GUEST,
        hint="is the guest overloaded, or did it crash?",
    )


@dataclass(frozen=True)
class Said:
    """How a command ended, and the beginning of what it wrote."""

    code: int
    output: bytes
    errors: bytes


def converse(client: paramiko.SSHClient, command: str, seconds: float, stdin: bytes = b"") -> Said:
    """Run a command in the guest to its end. seconds: for all of it; the connection is closed when they are over.

    Raises TimeoutError, OSError, EOFError, paramiko.SSHException.
    """
    with closed_after(client, seconds):
        given, stdout, stderr = client.exec_command(command, timeout=seconds)
        if stdin:
            given.write(stdin)
            given.channel.shutdown_write()
        output, errors = stdout.read(MOST_OUTPUT), stderr.read(MOST_ERRORS)
        # recv_exit_status() alone waits for ever for a guest that never says.
        if not stdout.channel.status_event.wait(seconds):
            raise TimeoutError
        return Said(stdout.channel.recv_exit_status(), output, errors)


@contextmanager
def closed_after(connection: paramiko.SSHClient | paramiko.Channel, seconds: float) -> Iterator[None]:
    """End what goes on in a connection, or a channel of one, after so long. Raises TimeoutError where that had to be.

    paramiko's own limits begin anew with every byte: a guest that sends one now and then would never be given up.
    """
    over = threading.Event()

    def close() -> None:
        over.set()
        # The guest's end may close at the same time: what goes on in the connection says so itself.
        with suppress(OSError, EOFError, paramiko.SSHException):
            connection.close()

    timer = threading.Timer(seconds, close)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (TimeoutError, paramiko.SSHException, OSError, EOFError) as error:
        if over.is_set():
            raise TimeoutError("time limit") from error
        raise
    finally:
        timer.cancel()
    # A connection that is closed gives what came so far, as if that were all.
    if over.is_set():
        raise TimeoutError("time limit")
