"""What the caller, the server and a room say to each other over socket pairs."""

from __future__ import annotations

import array
import json
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

LENGTH = struct.Struct("!I")
LARGEST_REPLY = 64 * 1024


@dataclass(frozen=True)
class Layout:
    """What all rooms of a server have in common. root: where a room's root is made; the rest: see places.py."""

    root: str
    hosts: str
    hidden: tuple[str, ...]
    visible: tuple[str, ...]
    sockets: tuple[str, ...]
    warm: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """One job. It goes to the job's own process and not to the server: its environment holds passwords.

    lesson: its folder, where the descriptor that came along is no mount of it.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    lesson: str
    cwd: str

    def __repr__(self) -> str:
        return f"Request({self.argv[:1]})"


def send(channel: socket.socket, message: Request | Layout) -> None:
    """Send a message, with its length before it."""
    data = json.dumps(asdict(message)).encode()
    channel.sendall(LENGTH.pack(len(data)) + data)


def receive(channel: socket.socket) -> dict[str, Any]:
    """The fields of one message. Raises EOFError where the other side is gone."""
    (length,) = LENGTH.unpack(_exactly(channel, LENGTH.size))
    fields = json.loads(_exactly(channel, length))
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = channel.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def send_descriptors(channel: socket.socket, descriptors: Sequence[int]) -> None:
    """Hand over open files."""
    channel.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])


def receive_descriptors(channel: socket.socket, most: int) -> list[int]:
    """Open files that were handed over; fewer where this process may have no more.

    Raises EOFError where the other side is gone.
    """
    data, ancillary, _, _ = channel.recvmsg(
        1, socket.CMSG_LEN(most * array.array("i").itemsize), socket.MSG_CMSG_CLOEXEC
    )
    if not data:
        raise EOFError
    found = array.array("i")
    for level, kind, numbers in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(numbers[: len(numbers) - len(numbers) % found.itemsize])
    return list(found)


def reply(channel: socket.socket, **fields: object) -> None:
    """Say something short: a line of JSON."""
    channel.sendall(json.dumps(fields).encode() + b"\n")


def replies(said: bytes) -> Iterator[dict[str, Any]]:
    """The lines that were said, whole ones alone."""
    for line in said.split(b"\n")[:-1]:
        yield json.loads(line)
