"""The loop of a running container: frames, console, signals, and the end."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence

from labwright.publish.platform.start.console import Console
from labwright.publish.platform.start.links import Link
from labwright.publish.platform.start.monitor import Monitor

LAST_SECONDS = 5.0
AGAIN_SECONDS = 5.0
IDLE_SECONDS = 0.5
"""After this long without a byte a line without an end is shown, such as `login:`."""
AT_ONCE = 16
"""Reads of the console before the others have their turn."""
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
STOPPED_LATE = 4


def press(monitor: Monitor) -> None:
    """The power button. A kernel without evdev has nobody who hears of it."""
    monitor.execute("system_powerdown")


def press_keys(monitor: Monitor) -> None:
    """Ctrl-Alt-Del: Linux shuts down in order to start again, and QEMU ends instead."""
    monitor.execute("set-action", reboot="shutdown")
    monitor.execute("send-key", keys=[{"type": "qcode", "data": key} for key in ("ctrl", "alt", "delete")])


class Watch:
    """All that moves. stop: seconds from SIGTERM to pulling the plug. keys: see Device."""

    def __init__(
        self, running: Sequence[subprocess.Popen[bytes]], monitors: Sequence[Monitor], cables: Sequence[Link],
        serial: socket.socket, console: Console, signals: socket.socket, stop: float, keys: bool,
    ) -> None:  # fmt: skip
        self._running = running
        self._monitors = monitors
        self._cables = list(cables)
        self._serial = serial
        self._console = console
        self._signals = signals
        self._stop = stop
        self._keys = keys
        self._deadline = 0.0
        self._again = 0.0
        self._late = False
        self._selector = selectors.DefaultSelector()

    def until_end(self) -> int:
        """Serve everybody until QEMU has ended; the exit code of the container."""
        self._serial.setblocking(False)
        self._selector.register(self._serial, READ, self._from_serial)
        self._selector.register(self._signals, READ, self._signalled)
        for cable in self._cables:
            self._selector.register(cable.relay.wire, READ, cable.relay.from_wire)
            self._selector.register(cable.relay.machine, READ, cable.relay.from_machine)
        while any(process.poll() is None for process in self._running):
            self._round()
        # What is left is finite: nobody writes any more.
        while self._from_serial():
            pass
        self._console.idle()
        return self._code()

    def _round(self) -> None:
        wait = IDLE_SECONDS
        if self._deadline:
            wait = max(0.0, min(wait, self._deadline - time.monotonic()))
        events = self._selector.select(wait)
        for key, mask in events:
            if mask & READ:
                key.data()
        for cable in self._cables:
            if cable.relay.blocked:
                cable.relay.to_machine()
        self._look_after_cables()
        if not events:
            self._console.idle()
        if self._deadline and time.monotonic() >= self._deadline:
            self._pull_plug()
        elif self._deadline and not self._late and time.monotonic() >= self._again:
            self._press()

    def _look_after_cables(self) -> None:
        """Wait for a busy machine by the selector, not by asking; let go of an interface that was taken away."""
        for cable in list(self._cables):
            relay = cable.relay
            if relay.alive:
                mask = READ | WRITE if relay.blocked else READ
                if self._selector.get_key(relay.machine).events != mask:
                    self._selector.modify(relay.machine, mask, relay.from_machine)
                continue
            self._console.say(f"warning: the interface {relay.name} is gone: its link is down")
            for end in (relay.wire, relay.machine):
                self._selector.unregister(end)
            self._cables.remove(cable)

    def _from_serial(self) -> bool:
        """Take some of what the machine has written; whether there may be more. One that never stops must not keep us
        from cables and signals."""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            for _ in range(AT_ONCE):
                data = self._serial.recv(65536)
                if not data:
                    # QEMU has closed its end: to be told so again and again is no use.
                    with contextlib.suppress(KeyError):
                        self._selector.unregister(self._serial)
                    return False
                self._console.feed(data)
            return True
        return False

    def _signalled(self) -> None:
        for number in self._signals.recv(64):
            if number in {signal.SIGTERM, signal.SIGINT}:
                self._power_off()

    def _power_off(self) -> None:
        if self._deadline:
            self._pull_plug()
            return
        self._deadline = time.monotonic() + self._stop
        self._console.say(f"shutting down, {self._stop:.0f} s at most")
        self._press()

    def _press(self) -> None:
        """Again and again: firmware and a system that is starting hear nothing of the first time."""
        self._again = time.monotonic() + AGAIN_SECONDS
        self._each(press)
        if self._keys:
            self._each(press_keys)

    def _pull_plug(self) -> None:
        self._console.say("the machine did not shut down in time: switched off")
        self._late = True
        self._deadline = time.monotonic() + LAST_SECONDS
        for process in self._running:
            process.kill()

    def _each(self, order: Callable[[Monitor], object]) -> None:
        for monitor, process in zip(self._monitors, self._running, strict=True):
            if process.poll() is None:
                # One that ends at this moment does not answer.
                with contextlib.suppress(OSError):
                    order(monitor)

    def _code(self) -> int:
        if self._late:
            return STOPPED_LATE
        codes = [process.wait() for process in self._running]
        if any(codes):
            self._console.say(f"error: QEMU ended with {', '.join(map(str, codes))}")
            return 1
        return 0
