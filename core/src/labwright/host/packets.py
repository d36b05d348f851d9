"""SSH to a machine that may mean harm: what its server sends, before and after the login, takes no more memory than
SSH needs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import paramiko
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA
from paramiko.packet import Packetizer

LARGEST = 256 << 10
"""Bytes of a packet, as OpenSSH has it; paramiko believes what the length says, up to 4 GiB."""
LONGEST_GREETING = 64 << 10
"""Bytes before the first packet: lines that the server may say, and its version (RFC 4253, 4.2)."""


class BoundedPacketizer(Packetizer):  # type: ignore[misc]
    """Ends the connection where a packet is too large, before it is read."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._greeted = 0

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """So many bytes. Raises SSHException."""
        if n > LARGEST:
            raise paramiko.SSHException(f"a packet of {n} bytes, and {LARGEST} are allowed")
        data: bytes = super().read_all(n, check_rekey)
        return data

    def _read_timeout(self, timeout: float) -> bytes:
        data: bytes = super()._read_timeout(timeout)
        self._greeted += len(data)
        if self._greeted > LONGEST_GREETING:
            raise paramiko.SSHException(f": more than {LONGEST_GREETING} bytes before the version")
        return data


def _within_window(feed: Any, channel: paramiko.Channel, message: paramiko.Message) -> None:
    """Take what a channel gets. paramiko tells the other side how much that may be, and takes more all the same."""
    feed(channel, message)
    if len(channel.in_buffer) + len(channel.in_stderr_buffer) > channel.in_window_size + LARGEST:
        raise paramiko.SSHException("more output than was asked for")


class BoundedTransport(paramiko.Transport):  # type: ignore[misc]
    """A connection with these limits: SSHClient.connect(transport_factory=BoundedTransport)."""

    _channel_handler_table = paramiko.Transport._channel_handler_table | {
        kind: partial(_within_window, paramiko.Transport._channel_handler_table[kind])
        for kind in (MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA)
    }

    def __init__(self, sock: Any, **options: Any) -> None:
        super().__init__(sock, packetizer_class=BoundedPacketizer, **options)
