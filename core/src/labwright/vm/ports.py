"""TCP ports of loopback that are ours from the moment we choose them until QEMU listens on them, and after."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def reserved_ports(count: int) -> Iterator[tuple[int, ...]]:
    """Ports that nobody else is given while the body runs.

    A socket that is bound but does not listen keeps the kernel from giving the port to others; QEMU, which sets
    SO_REUSEADDR as we do, can still listen on it (socket(7)).
    """
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(socket.socket()) for _ in range(count)]
        for holder in holders:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", 0))
        yield tuple(int(holder.getsockname()[1]) for holder in holders)
