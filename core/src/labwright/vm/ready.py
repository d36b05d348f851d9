"""When a machine is ready: its login prompt is on the console, and its SSH server itself answers.

Both are watched at once, so that the time of one says nothing of the other.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from typing import Protocol

from labwright.host.clock import Deadline, Heartbeat
from labwright.vm.console import LOGIN, guest_error, last_lines, read_console
from labwright.vm.machine import Running

CLOSED_PORT = 1
"""A port of the guest where nothing listens (tcpmux): a refusal says that its network is up, and costs it nothing."""
KNOCK_SECONDS = 0.3
PATIENCE = 10.0
"""Seconds from a connection to the SSH server's greeting: one that is given up costs a slow guest one more process."""
STEP = 0.05
PANIC, PANIC_LINES, PANIC_SECONDS = "Kernel panic - not syncing", 40, 2.0


class Sign(Protocol):
    """A sign of readiness. name: for people."""

    name: str

    def seen(self) -> bool:
        """Look, without waiting."""
        ...

    def close(self) -> None:
        """Give back what looking took."""
        ...


def wait_until(machine: Running, signs: Sequence[Sign], deadline: Deadline, beat: Heartbeat) -> dict[str, float]:
    """Wait for all signs: for each, the seconds from power-on to it. Raises LabwrightError (guest) with last lines."""
    times: dict[str, float] = {}
    looked = time.monotonic()
    with contextlib.ExitStack() as stack:
        for sign in signs:
            stack.callback(sign.close)
        while True:
            times |= {sign.name: round(machine.age, 2) for sign in signs if sign.name not in times and sign.seen()}
            missing = [sign.name for sign in signs if sign.name not in times]
            if not missing:
                return times
            if not machine.running:
                what = f"the machine stopped before its {missing[0]} was there"
                raise guest_error(machine, what, "the lines above are its last words")
            if time.monotonic() - looked > PANIC_SECONDS:
                looked = time.monotonic()
                if any(PANIC in line for line in last_lines(machine, PANIC_LINES)):
                    raise guest_error(machine, "the machine's kernel gave up", "the lines above say why")
            if deadline.expired:
                raise guest_error(
                    machine,
                    f"no {' and no '.join(missing)} after {deadline.passed:.0f} s",
                    "the lines above say how far it came: is its network up, is sshd running? A busy host needs more "
                    "time: run it again when it is idle",
                )
            beat.beat(f"waiting for {missing[0]}: {(last_lines(machine, 1) or ['nothing on the console yet'])[0]}")
            time.sleep(STEP)


class Prompt:
    """The login prompt on the serial console."""

    name = "login prompt"

    def __init__(self, machine: Running) -> None:
        self._machine = machine

    def seen(self) -> bool:
        """Whether it is there."""
        return LOGIN.search(read_console(self._machine)) is not None

    def close(self) -> None:
        """Nothing is held."""


class Greeting:
    """The greeting of the SSH server on a forwarded port.

    A connection alone proves nothing: user-mode networking accepts before the guest is up, and then asks the guest at
    longer and longer intervals, up to many seconds. So a closed port is asked often, and the server only when the
    network is up. knock: the forwarded port of CLOSED_PORT; 0 for none. host: the address of loopback.
    """

    name = "SSH"

    def __init__(self, port: int, knock: int = 0, host: str = "127.0.0.1") -> None:
        self._server = _Attempt(host, port, PATIENCE)
        self._knock = _Attempt(host, knock, KNOCK_SECONDS)
        self._network_up = not knock

    def seen(self) -> bool:
        """Whether it has greeted."""
        if not self._network_up:
            self._network_up = self._knock.poll() is not None
        # A guest that refuses nothing is asked all the same, at the pace of a patient connection.
        if self._network_up or self._server.open or self._server.age > PATIENCE:
            return self._server.poll() == b"SSH-"
        return False

    def close(self) -> None:
        """Close both connections."""
        self._server.close()
        self._knock.close()


class _Attempt:
    """One connection at a time to a port of loopback, polled."""

    def __init__(self, host: str, port: int, patience: float) -> None:
        self._place = (host, port)
        self._patience = patience
        self._socket: socket.socket | None = None
        self._started = time.monotonic()

    @property
    def open(self) -> bool:
        return self._socket is not None

    @property
    def age(self) -> float:
        return time.monotonic() - self._started

    def poll(self) -> bytes | None:
        """Its first bytes, b"" where it was refused or ended, None where nothing is known yet."""
        if self._socket is None:
            self._started = time.monotonic()
            try:
                self._socket = socket.create_connection(self._place, timeout=1)
            except OSError:
                # Nothing listens on the host's side: QEMU is still starting.
                return None
            self._socket.setblocking(False)
        try:
            received = self._socket.recv(4)
        except BlockingIOError:
            if self.age > self._patience:
                self.close()
            return None
        except OSError:
            received = b""
        self.close()
        return received

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
