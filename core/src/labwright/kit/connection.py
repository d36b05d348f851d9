"""SSH to the machine that a script configures, by password: every command is waited for to its end."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import paramiko

from labwright.errors import Cause
from labwright.host.clock import Deadline
from labwright.host.packets import BoundedTransport
from labwright.kit.answer import Answer
from labwright.kit.errors import KitError, last_lines
from labwright.kit.host import Host
from labwright.kit.local import lesson_folders

MOST_BYTES = 16 << 20
"""Of each stream of one command."""
LOGIN_SECONDS = 30.0
GRACE = 1.0
"""Seconds for the rest of the output after the exit status: what a command leaves in the background holds the streams
for as long as it runs."""
MOST_GRACE = 10.0
"""Seconds for it where more and more comes: a full disk's worth may be on its way, and a chatty daemon has no end."""
SSH_PORT = 22
# Without a handler Python prints what paramiko logs of a lost connection, tracebacks and all, beside our own words.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@contextlib.contextmanager
def target(timeout: float = LOGIN_SECONDS) -> Iterator[Host]:
    """The machine that this script is to configure, from the environment that the lesson's runner sets.

    ANTIDOTE_TARGET_HOST, ANTIDOTE_TARGET_USERNAME, ANTIDOTE_TARGET_PASSWORD; LABWRIGHT_TARGET_PORT, by default 22.
    Raises KitError.
    """
    host, user, password = (_variable(os.environ, f"ANTIDOTE_TARGET_{name}") for name in
                            ("HOST", "USERNAME", "PASSWORD"))  # fmt: skip
    port = os.environ.get("LABWRIGHT_TARGET_PORT", str(SSH_PORT))
    if not port.isdecimal():
        raise KitError(f"LABWRIGHT_TARGET_PORT is not a port: {port!r}", cause=Cause.CONFIG)
    with connect(host, user, password, int(port), timeout, interface_names(), target_name() or host) as made:
        yield made


def target_name() -> str:
    """The endpoint's name in the lesson, as LABWRIGHT_ENDPOINT says; empty where nobody says it."""
    return os.environ.get("LABWRIGHT_ENDPOINT", "")


def interface_names() -> tuple[str, ...]:
    """The target's data interfaces in the order of the lesson's connections, as LABWRIGHT_INTERFACES says."""
    return tuple(os.environ.get("LABWRIGHT_INTERFACES", "").split())


def _variable(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise KitError(
            f"{name} is not set",
            cause=Cause.CONFIG,
            hint="`labwright lesson` sets it for the scripts in stageN/configs; elsewhere use kit.connect(host, user,"
            " password)",
        )
    return environment[name]


@contextlib.contextmanager
def connect(
    host: str,
    user: str,
    password: str,
    port: int = SSH_PORT,
    timeout: float = LOGIN_SECONDS,
    interfaces: Sequence[str] = (),
    name: str = "",
) -> Iterator[Host]:
    """Any machine that can be logged in to by password. timeout: seconds for the login. Raises KitError.

    interfaces: the names of its data interfaces. name: what it is called in messages, by default the host.
    """
    transport = SshTransport(host, user, password, port, timeout)
    transport.name = name or host
    try:
        yield Host(transport, lesson_folders(), password, interfaces)
    finally:
        transport.close()


class SshTransport:
    """One connection. It is closed at the end, after each command has said its exit status."""

    def __init__(self, host: str, user: str, password: str, port: int, timeout: float) -> None:
        self.name = host
        self._client = paramiko.SSHClient()
        # A lab's machine is minutes old: there is no earlier key to compare with.
        self._client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        try:
            self._client.connect(
                host, port, user, password, timeout=timeout, banner_timeout=timeout, auth_timeout=timeout,
                allow_agent=False, look_for_keys=False, transport_factory=BoundedTransport,
            )  # fmt: skip
        # Of a host that is no name and a port that is no port too.
        except (paramiko.SSHException, OSError, EOFError, ValueError, OverflowError) as error:
            self._client.close()
            raise KitError(
                f"no login as {user} at {host}:{port}: {str(error) or type(error).__name__}",
                hint="is it up, does its sshd allow passwords, and is this the image's configUser?",
            ) from None

        # Each command is a few small packets: without this every one of them waits for the other side's delayed answer.
        transport = self._client.get_transport()
        if transport is not None and isinstance(transport.sock, socket.socket):
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def execute(self, command: str, stdin: bytes, timeout: float) -> Answer:
        """Run a line of shell to its end. timeout: seconds. Raises KitError."""
        deadline = Deadline(timeout)
        try:
            transport = self._client.get_transport()
            if transport is None:
                raise EOFError
            channel = transport.open_session(timeout=timeout)
            channel.settimeout(timeout)
            # Names of files need not be UTF-8.
            channel.exec_command(command.encode(errors="surrogateescape"))
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._lost(str(error) or "it is closed") from None
        with contextlib.closing(channel):
            streams = [_Stream(channel.recv), _Stream(channel.recv_stderr)]
            _send(channel, stdin, deadline)
            # Without a limit this waits for ever for a machine that never says.
            ended = channel.status_event.wait(deadline.left)
            for stream in streams if ended else ():
                stream.settle()
            output, errors = (stream.text for stream in streams)
            if not ended:
                raise KitError(
                    f"no end after {timeout:g} s on {self.name}", details=last_lines(output, errors),
                    hint="give it a longer timeout=, or find out what it waits for; it may go on there",
                )  # fmt: skip
            if channel.exit_status < 0 and not transport.is_active():
                raise self._lost("it broke in the middle of a command")
            for stream in streams:
                if stream.excess:
                    raise KitError(f"more than {MOST_BYTES >> 20} MiB of output from {self.name}")
            return Answer(channel.exit_status, output, errors)

    def _lost(self, why: str) -> KitError:
        return KitError(f"the connection to {self.name} is lost: {why}", hint="does the machine still run?")

    def close(self) -> None:
        """End the connection."""
        self._client.close()


def _send(channel: paramiko.Channel, stdin: bytes, deadline: Deadline) -> None:
    rest = memoryview(stdin)
    # A command may end, or close its standard input, without having read all of it; or read it a byte at a time.
    with contextlib.suppress(OSError, EOFError):
        while rest and not deadline.expired:
            channel.settimeout(max(deadline.left, 0.01))
            rest = rest[channel.send(rest) :]
    with contextlib.suppress(OSError, EOFError):
        channel.shutdown_write()


class _Stream(threading.Thread):
    """Reads one stream to its end, so that a full one never stops the command."""

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        super().__init__(daemon=True)
        self._receive = receive
        self._data = bytearray()
        self.excess = False
        self.start()

    def run(self) -> None:
        """Until the end of the stream, or of the channel."""
        with contextlib.suppress(OSError, EOFError):
            while part := self._next():
                if len(self._data) + len(part) > MOST_BYTES:
                    self.excess = True
                else:
                    self._data += part

    def _next(self) -> bytes:
        while True:
            # The time limit is the command's: whoever waits for that closes the channel, which ends this.
            with contextlib.suppress(TimeoutError):
                return self._receive(1 << 16)

    def settle(self) -> None:
        """Wait for its end, or until nothing more comes."""
        deadline, before = Deadline(MOST_GRACE), -1
        while self.is_alive() and not deadline.expired and before != len(self._data):
            before = len(self._data)
            self.join(GRACE)

    @property
    def text(self) -> str:
        """What has come so far."""
        return bytes(self._data).decode(errors="replace")


def endpoints() -> dict[str, str]:
    """The lesson's machines, name to address, as LABWRIGHT_ENDPOINTS says. Raises KitError."""
    text = os.environ.get("LABWRIGHT_ENDPOINTS", "{}")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise KitError("LABWRIGHT_ENDPOINTS is not a mapping of names to addresses", cause=Cause.CONFIG)
    return found
