"""The health check: whether the machine's own SSH server answers.

A connection alone says nothing: QEMU's user-mode networking accepts before the guest is up. So the server's greeting
and the first packet of its key exchange are waited for (RFC 4253, 4.2 and 7.1).
"""

from __future__ import annotations

import socket

GREETING = b"SSH-2.0-labwright-health\r\n"
KEY_EXCHANGE = 20
SECONDS = 5.0


def healthy(host: str = "127.0.0.1", port: int = 22, seconds: float = SECONDS) -> bool:
    """Whether an SSH server begins a key exchange there within this time."""
    try:
        with socket.create_connection((host, port), seconds) as connection, connection.makefile("rb") as stream:
            connection.settimeout(seconds)
            if not stream.readline(256).startswith(b"SSH-"):
                return False
            connection.sendall(GREETING)
            # Four bytes of length, one of padding, then the number of the message.
            packet = stream.read(6)
            return len(packet) == 6 and packet[5] == KEY_EXCHANGE
    except OSError:
        return False
