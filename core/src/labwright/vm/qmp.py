"""QEMU's machine protocol over a socket that only we can open: orders to a machine, and what it reports."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from qemu.qmp import ConnectError, EventListener, ExecuteError, QMPClient, QMPError

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline

PATIENCE = 30.0
"""Seconds for an answer: QEMU gives them at once, unless the host swaps."""
STEP = 0.05


class Process(Protocol):
    """QEMU's process, as far as a monitor cares."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        ...


class Monitor:
    """A connection. Its events are kept from the connection on."""

    def __init__(self, runner: asyncio.Runner, client: QMPClient, events: EventListener, process: Process) -> None:
        self._runner = runner
        self._client = client
        self._events = events
        self._process = process
        self._seen: list[str] = []

    def execute(self, command: str, arguments: dict[str, object] | None = None, seconds: float = PATIENCE) -> object:
        """The answer to an order. Raises LabwrightError (host) where QEMU refuses it, is gone or takes longer."""
        try:
            return self._runner.run(asyncio.wait_for(self._client.execute(command, arguments), seconds))
        except (QMPError, ExecuteError, TimeoutError, OSError) as error:
            raise LabwrightError(
                f"QEMU does not do {command}: {error or 'no answer'}", cause=Cause.HOST, hint="did the machine end?"
            ) from error

    def hand_over(self, name: str, descriptor: int) -> None:
        """Give QEMU a file that is open here, under a name for later orders. Raises LabwrightError (host)."""
        try:
            self._client.send_fd_scm(descriptor)
        except (QMPError, OSError) as error:
            raise LabwrightError(f"QEMU takes no file: {error}", cause=Cause.HOST, hint="did it end?") from error
        self.execute("getfd", {"fdname": name})

    def wait_for(self, event: str, seconds: float) -> bool:
        """Whether the machine reports this event within a time, or has reported it since the connection.

        A QEMU that has ended reports nothing any more.
        """
        deadline = Deadline(seconds)
        while True:
            self._collect()
            if event in self._seen:
                return True
            if deadline.expired or self._process.poll() is not None:
                return False
            with contextlib.suppress(TimeoutError):
                message = self._runner.run(asyncio.wait_for(self._events.get(), min(STEP * 20, deadline.left + STEP)))
                self._seen.append(str(message["event"]))

    def _collect(self) -> None:
        # What has come is taken in only while the loop turns.
        self._runner.run(asyncio.sleep(0.001))
        self._seen += [str(message["event"]) for message in self._events.clear()]


@contextlib.contextmanager
def monitor(path: Path, process: Process, seconds: float = PATIENCE) -> Iterator[Monitor]:
    """Connect to a machine that has just been started. Raises LabwrightError (host) where it never listens.

    process: QEMU's, which may have ended at once.
    """
    # It logs every refusal, with a traceback, before it raises what says the same.
    logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)
    deadline = Deadline(seconds)
    with asyncio.Runner() as runner:
        while True:
            client = QMPClient("labwright")
            events = EventListener()
            client.register_listener(events)
            try:
                runner.run(asyncio.wait_for(client.connect(str(path)), max(deadline.left, STEP)))
                break
            except (ConnectError, TimeoutError, OSError) as error:
                if deadline.expired or process.poll() is not None:
                    raise LabwrightError(
                        f"QEMU's monitor cannot be reached: {error or 'no answer'}",
                        cause=Cause.HOST,
                        hint="did QEMU start at all?",
                    ) from error
            runner.run(asyncio.sleep(STEP))
        try:
            yield Monitor(runner, client, events, process)
        finally:
            # A machine that ended took its end of the connection along.
            with contextlib.suppress(QMPError, OSError, EOFError):
                runner.run(client.disconnect())
