"""SSH into a machine of ours over loopback, by password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import paramiko

from labwright.errors import Cause, LabwrightError


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


@contextmanager
def connect(login: Login, seconds: float) -> Iterator[paramiko.SSHClient]:
    """A connection by password; no keys and no agent of the host are used. Raises LabwrightError (guest)."""
    client = paramiko.SSHClient()
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
    """Run a command of ours in the guest's shell. Raises LabwrightError when it does not end in time."""
    try:
        given, stdout, stderr = client.exec_command(command, timeout=seconds)
        if stdin:
            given.write(stdin)
            given.channel.shutdown_write()
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
