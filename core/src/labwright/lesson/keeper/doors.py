"""The ports of the host's loopback by which learners come in. Each opens when its machine is ready, not before."""

from __future__ import annotations

import asyncio
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
    # The loop itself holds tasks by weak references only: one that waits for both ends would be collected.
    held: set[asyncio.Task[None] | None] = set()

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.add(asyncio.current_task())
        try:
            answers, far = await asyncio.open_connection(door.address, door.port)
            try:
                await asyncio.gather(_copy(reader, far), _copy(answers, writer))
            finally:
                far.close()
        except OSError:
            # The machine has ended: so does the connection.
            pass
        finally:
            writer.close()
            held.discard(asyncio.current_task())

    return await asyncio.start_server(through, sock=listener)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(SIZE):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        # One end is gone without a word: the other one must not wait for it.
        writer.transport.abort()
