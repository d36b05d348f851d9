"""The loop of a running container ends when it is told to, whatever the machine does."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import threading

from labwright.publish.platform.start.console import Console
from labwright.publish.platform.start.watch import STOPPED_LATE, Watch


class FakeMonitor:
    """Of a machine that does not hear its power button."""

    def execute(self, command: str, **arguments: object) -> object:
        raise OSError(f"{command}: nobody there")


class FloodedConsole(Console):
    """Whenever something is taken from it the machine has written again, for as long as it lives."""

    def __init__(self, said: io.StringIO, end: socket.socket, machine: subprocess.Popen[bytes]) -> None:
        super().__init__(said)
        self._end, self._machine = end, machine

    def feed(self, data: bytes) -> None:
        super().feed(data)
        if self._machine.poll() is None:
            self._end.send(b"noise\n")


def test_a_machine_that_writes_without_an_end_does_not_keep_the_container_from_being_stopped():
    serial, end = socket.socketpair()
    signals, sender = socket.socketpair()
    codes, said = [], io.StringIO()
    with subprocess.Popen(["sleep", "60"]) as machine:
        try:
            end.send(b"noise\n")
            sender.send(bytes([signal.SIGTERM]))
            console = FloodedConsole(said, end, machine)
            watch = Watch([machine], [FakeMonitor()], [], serial, console, signals, 0.2, keys=False)
            loop = threading.Thread(target=lambda: codes.append(watch.until_end()), daemon=True)
            loop.start()
            loop.join(10)
            stopped = not loop.is_alive()
        finally:
            machine.kill()
    loop.join(10)
    assert stopped
    assert codes == [STOPPED_LATE]
    assert "shutting down" in said.getvalue()
