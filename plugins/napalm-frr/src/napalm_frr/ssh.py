"""Commands over SSH, one channel each, with paramiko."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import paramiko
from napalm.base.exceptions import (
    ConnectAuthError,
    ConnectionClosedException,
    ConnectionException,
    ConnectTimeoutError,
)
from paramiko.packet import Packetizer

from napalm_frr.errors import message
from napalm_frr.options import Options
from napalm_frr.transport import CHUNK, Answer, Collected, timed_out

KEEPALIVE_SECONDS = 30
LARGEST = 256 << 10
"""Bytes of a packet, as OpenSSH has it; paramiko believes what the length says, up to 4 GiB."""


class _TakeAnyKey(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """What drivers on netmiko do by default: a lab's routers are made anew all day, each time with new keys."""

    def missing_host_key(self, client: Any, hostname: Any, key: Any) -> None:
        """Take it, and remember nothing."""


class _SmallPackets(Packetizer):  # type: ignore[misc]
    """A device that announces a gigabyte does not fill our memory with it."""

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """So many bytes. Raises SSHException."""
        if n > LARGEST:
            raise paramiko.SSHException(f"a packet of {n} bytes, and {LARGEST} are allowed")
        data: bytes = super().read_all(n, check_rekey)
        return data


def _path(given: str) -> str | None:
    # Path.expanduser() raises for a user that is not there.
    return os.path.expanduser(given) or None  # noqa: PTH111


class SshTransport:
    """A connection of one user to one device."""

    def __init__(self, host: str, username: str, password: str, timeout: float, options: Options) -> None:
        self.host, self.username, self.timeout, self.options = host, username, timeout, options
        self._password = password
        self._client: Any = None

    def open(self) -> None:
        """Raises ConnectAuthError, ConnectTimeoutError or ConnectionException with the remedy."""
        self.close()
        client = paramiko.SSHClient()
        try:
            self._trust(client)
            self._connect(client)
        except BaseException:
            client.close()
            raise
        client.get_transport().set_keepalive(KEEPALIVE_SECONDS)
        self._client = client

    def _trust(self, client: Any) -> None:
        if not self.options.ssh_strict:
            client.set_missing_host_key_policy(_TakeAnyKey())
            return
        try:
            client.load_system_host_keys(_path(self.options.known_hosts))
        except OSError as error:
            raise ConnectionException(f"ssh_strict: the known-hosts file cannot be read: {error}") from error
        client.set_missing_host_key_policy(paramiko.RejectPolicy())

    def _connect(self, client: Any) -> None:
        where = f"{self.host}:{self.options.port}"
        try:
            client.connect(
                self.host, self.options.port, self.username, self._password or None,
                key_filename=_path(self.options.key_file), passphrase=self.options.passphrase or None,
                allow_agent=self.options.allow_agent, look_for_keys=self.options.allow_agent,
                timeout=self.timeout, banner_timeout=self.timeout, auth_timeout=self.timeout,
                transport_factory=partial(paramiko.Transport, packetizer_class=_SmallPackets),
            )  # fmt: skip
        except paramiko.BadHostKeyException as error:
            remedy = "if the device was made anew, take its old line out of the known-hosts file"
            raise ConnectionException(message(f"{where} has another host key than is known.", "", remedy)) from error
        except paramiko.AuthenticationException as error:
            remedy = (
                f"try `ssh -p {self.options.port} {self.username}@{self.host}`; look at username, password, key_file"
            )
            raise ConnectAuthError(message(f"{where} refused the login.", str(error), remedy)) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(f"{where} did not answer within {self.timeout:g} s.") from error
        except (paramiko.SSHException, OSError) as error:
            raise ConnectionException(message(f"No SSH connection to {where}.", str(error))) from error

    def close(self) -> None:
        """Ends the connection; what a commit left on the device to revert it stays there."""
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.close()
            self._client = None

    def alive(self) -> bool:
        """Whether the connection still takes a message."""
        transport = self._client.get_transport() if self._client is not None else None
        if transport is None or not transport.is_active():
            return False
        try:
            transport.send_ignore()
        except (paramiko.SSHException, OSError, EOFError):
            return False
        return True

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60) -> Answer:
        """As the protocol says."""
        transport = self._client.get_transport() if self._client is not None else None
        if transport is None:
            raise ConnectionClosedException("The driver is not open: call open() first.")
        end = time.monotonic() + timeout
        try:
            channel = transport.open_session(timeout=timeout)
            with contextlib.closing(channel):
                channel.settimeout(timeout)
                channel.exec_command(shlex.join(argv))
                self._send(channel, stdin, end)
                return self._collect(channel, argv, timeout, end)
        except TimeoutError:
            raise timed_out(argv, timeout) from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            if isinstance(error, paramiko.ChannelException) and transport.is_active():
                raise ConnectionException(
                    message("The device opens no more sessions.", str(error), "look at MaxSessions in its sshd_config")
                ) from error
            raise ConnectionClosedException(
                message("The connection to the device broke.", str(error) or type(error).__name__, "open() it again")
            ) from error

    @staticmethod
    def _send(channel: Any, data: bytes, end: float) -> None:
        # A command may end without reading; what it then says is worth more than our broken pipe.
        with contextlib.suppress(OSError):
            # One that reads now and then is no reason to begin its time anew.
            while data and time.monotonic() < end:
                data = data[channel.send(data) :]
            channel.shutdown_write()

    @staticmethod
    def _collect(channel: Any, argv: Sequence[str], timeout: float, end: float) -> Answer:
        collected = Collected()
        readers = {"out": (channel.recv_ready, channel.recv), "err": (channel.recv_stderr_ready, channel.recv_stderr)}
        while True:
            # Asked before the last read: what came before the end is there then.
            # OpenSSH may tell the exit status before the last data, so that alone is no end.
            ended = channel.closed or (channel.exit_status_ready() and channel.eof_received)
            quiet = True
            for name, (ready, receive) in readers.items():
                while ready():
                    collected.add(name, receive(CHUNK))
                    quiet = False
            if quiet and ended:
                break
            if time.monotonic() > end:
                raise timed_out(argv, timeout)
            if quiet:
                channel.status_event.wait(0.005)
        if not channel.eof_received:
            # A server may close a channel so; or the connection broke, which paramiko's thread says a moment later.
            channel.get_transport().join(0.2)
        whole = channel.eof_received or channel.get_transport().is_active()
        if not whole or not channel.exit_status_ready() or channel.exit_status < 0:
            raise ConnectionClosedException("The connection to the device broke while a command was running.")
        return collected.answer(channel.exit_status)
