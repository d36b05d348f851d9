"""SSH into a machine of ours over loopback, by password."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import paramiko

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline, Heartbeat
from labwright.vm.console import guest_error, last_lines
from labwright.vm.machine import Machine

PATIENCE = 10.0
"""Seconds from a connection to the server's greeting."""


@dataclass(frozen=True)
class Login:
    """Where and as whom. The password is a secret: no repr shows it."""

    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What a command in the guest answered."""

    code: int
    text: str


def wait_for_banner(machine: Machine, port: int, deadline: Deadline, beat: Heartbeat) -> float:
    """Wait until the SSH server itself answers; seconds from power-on.

    A connection alone proves nothing: user-mode networking accepts before the guest is up.
    """
    while not _banner(port):
        if not machine.running:
            raise guest_error(machine, "the machine stopped before SSH answered", "the lines above are its last words")
        if deadline.expired:
            raise guest_error(
                machine,
                f"SSH does not answer after {deadline.passed:.0f} s",
                "the lines above say how far it came: is the network up, is sshd running?",
            )
        beat.beat(f"waiting for SSH: {(last_lines(machine, 1) or ['nothing on the console yet'])[0]}")
        time.sleep(0.1)
    return machine.age


def _banner(port: int) -> bool:
    """Each try is patient: a connection that is given up costs a slow guest one more process, and soon its last."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        return connection.recv(4) == b"SSH-"
    return False


@contextmanager
def connect(login: Login, seconds: float) -> Iterator[paramiko.SSHClient]:
    """A connection by password; no keys and no agent of the host are used. Raises LabwrightError (guest)."""
    client = paramiko.SSHClient()
    # The machine is minutes old and on loopback: there is no earlier key to compare with.
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # noqa: S507
    try:
        client.connect(
            "127.0.0.1",
            login.port,
            login.user,
            login.password,
            timeout=seconds,
            banner_timeout=seconds,
            auth_timeout=seconds,
            allow_agent=False,
            look_for_keys=False,
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


def ask(client: paramiko.SSHClient, command: str, seconds: float) -> Answer:
    """Run a command of ours in the guest's shell. Raises LabwrightError when it does not end in time."""
    try:
        _, stdout, stderr = client.exec_command(command, timeout=seconds)
        text = stdout.read(1 << 20).decode(errors="replace") + stderr.read(1 << 16).decode(errors="replace")
        # recv_exit_status() alone waits for ever for a guest that never says.
        if not stdout.channel.status_event.wait(seconds):
            raise TimeoutError
        return Answer(stdout.channel.recv_exit_status(), text)
    except (TimeoutError, paramiko.SSHException, OSError, EOFError) as error:
        raise LabwrightError(
            f"`{command}` gave no answer in the guest: {error or 'time limit'}",
            cause=Cause.GUEST,
            hint="is the guest overloaded, or did it crash?",
        ) from error
