"""SSH servers that send more than anybody asked for, and count how much of it was taken."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import paramiko
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA

GIGABYTE = (1 << 30) + 4
"""As a length whole blocks of 8 come after it."""
MOST = 512 << 20
"""Bytes that a server sends before it gives up."""
CHUNK = 64 << 10


@dataclass
class Sshd:
    """port: of the loopback. sent: bytes that somebody took, or the kernel's buffers did. over: nobody takes more.
    reached: a client has said its version.
    """

    port: int
    sent: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)


class Everybody(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        return True


def endless_greeting(connection: socket.socket, served: Sshd) -> None:
    """A first line that never ends."""
    pour(served, lambda: connection.sendall(b"x" * CHUNK))


def silence(connection: socket.socket, served: Sshd) -> None:
    """A greeting, and nothing after it."""
    connection.sendall(b"SSH-2.0-x\r\n")
    if connection.recv(4) == b"SSH-":
        served.reached.set()
        served.over.wait(300)


def refusal(connection: socket.socket, served: Sshd) -> None:
    """An end at once, as user-mode networking has it for a port where nothing listens in the guest."""


def large_packet(connection: socket.socket, served: Sshd) -> None:
    """A first packet that is to be a gigabyte."""
    connection.sendall(b"SSH-2.0-x\r\n" + struct.pack(">I", GIGABYTE))
    pour(served, lambda: connection.sendall(bytes(CHUNK)))


def large_packet_later(connection: socket.socket, served: Sshd) -> None:
    """One of 8 MB when all is encrypted."""
    transport, _ = logged_in(connection)
    message = paramiko.Message()
    message.add_byte(bytes([2]))
    message.add_string(bytes(8 << 20))
    transport._send_message(message)
    served.over.wait(20)


def unasked_output(connection: socket.socket, served: Sshd, kind: int = MSG_CHANNEL_DATA) -> None:
    """Output of a command without regard to how much the other side wants."""
    transport, channel = logged_in(connection)

    def send() -> None:
        message = paramiko.Message()
        message.add_byte(bytes([kind]))
        message.add_int(channel.remote_chanid)
        if kind == MSG_CHANNEL_EXTENDED_DATA:
            message.add_int(1)
        message.add_string(bytes(32 << 10))
        if not transport.is_active():
            raise EOFError
        transport._send_user_message(message)

    pour(served, send, 32 << 10)


def unasked_errors(connection: socket.socket, served: Sshd) -> None:
    """The same on the other stream."""
    unasked_output(connection, served, MSG_CHANNEL_EXTENDED_DATA)


def logged_in(connection: socket.socket) -> tuple[paramiko.Transport, paramiko.Channel]:
    transport = paramiko.Transport(connection)
    transport.add_server_key(paramiko.ECDSAKey.generate())
    transport.start_server(server=Everybody())
    channel = transport.accept(20)
    time.sleep(0.2)
    return transport, channel


def pour(served: Sshd, send: Callable[[], object], size: int = CHUNK) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        while served.sent < MOST and not served.over.is_set():
            send()
            served.sent += size


@contextlib.contextmanager
def hostile_sshd(
    behave: Callable[[socket.socket, Sshd], None], host: str = "127.0.0.1", port: int = 0
) -> Iterator[Sshd]:
    """One that takes any number of connections."""
    with socket.create_server((host, port), backlog=16) as listener:
        served = Sshd(listener.getsockname()[1])

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                behave(connection, served)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=one, args=[listener.accept()[0]], daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield served
        finally:
            served.over.set()
            listener.shutdown(socket.SHUT_RDWR)
