"""The ports of the host's loopback by which learners come in. Each opens when its machine is ready, not before."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass

SIZE = 65536


@dataclass(frozen=True)
class Door:
    """A listening socket of the host, inherited. address, port: of the machine, in the lab's network."""

    descriptor: int
    endpoint: str
    address: str
    port: int


async def open_door(door: Door) -> asyncio.Server:
    """Let connections through from now on. Those that came earlier have waited in the socket."""
    listener = socket.socket(fileno=door.descriptor)
    listener.setblocking(False)

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, far = await asyncio.open_connection(door.address, door.port)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(_copy(reader, far), _copy(answers, writer))
        finally:
            far.close()
            writer.close()

    return await asyncio.start_server(through, sock=listener)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(SIZE):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
