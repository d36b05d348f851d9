"""QEMU's machine protocol over a socket that only we can open: orders to a machine, and what it reports."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, TypeVar

from qemu.qmp import ConnectError, EventListener, ExecuteError, QMPClient, QMPError

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline

PATIENCE = 30.0
"""Seconds for an answer: QEMU gives them at once, unless the host swaps."""
STEP = 0.05
Answer = TypeVar("Answer")


class _Loop:
    """asyncio in a thread of its own: in the main one it makes of Ctrl-C a cancellation, which libraries swallow."""

    def __init__(self) -> None:
        self._turning: Future[asyncio.AbstractEventLoop] = Future()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._turn, name="monitor", daemon=True)

    def __enter__(self) -> _Loop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._turning.exception() is None:
            self._turning.result().call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _turn(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._until_over())
        except OSError as error:
            self._turning.set_exception(error)

    async def _until_over(self) -> None:
        loop = asyncio.get_running_loop()
        # What a connection says that was ended in the middle, nobody is there to hear.
        loop.set_exception_handler(lambda *_: None)
        self._turning.set_result(loop)
        await self._over.wait()

    def run(self, seconds: float, work: Callable[..., Coroutine[Any, Any, Answer]], *arguments: object) -> Answer:
        """What it gives within so many seconds. Raises TimeoutError, and what it raises."""
        loop = self._turning.result()
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work(*arguments), seconds), loop).result()


class Process(Protocol):
    """QEMU's process, as far as a monitor cares."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        ...


class Monitor:
    """A connection. Its events are kept from the connection on."""

    def __init__(self, loop: _Loop, client: QMPClient, events: EventListener, process: Process) -> None:
        self._loop = loop
        self._client = client
        self._events = events
        self._process = process
        self._seen: list[str] = []

    def execute(self, command: str, arguments: dict[str, object] | None = None, seconds: float = PATIENCE) -> object:
        """The answer to an order. Raises LabwrightError (host) where QEMU refuses it, is gone or takes longer."""
        try:
            return self._loop.run(seconds, self._client.execute, command, arguments)
        except (QMPError, ExecuteError, TimeoutError, OSError) as error:
            raise LabwrightError(
                f"QEMU does not do {command}: {error or 'no answer'}", cause=Cause.HOST, hint="did the machine end?"
            ) from error

    def hand_over(self, name: str, descriptor: int) -> None:
        """Give QEMU a file that is open here, under a name for later orders. Raises LabwrightError (host)."""
        try:
            self._loop.run(PATIENCE, self._send, descriptor)
        except (QMPError, OSError) as error:
            raise LabwrightError(f"QEMU takes no file: {error}", cause=Cause.HOST, hint="did it end?") from error
        self.execute("getfd", {"fdname": name})

    def wait_for(self, event: str, seconds: float) -> bool:
        """Whether the machine reports this event within a time, or has reported it since the connection.

        A QEMU that has ended reports nothing any more.
        """
        deadline = Deadline(seconds)
        while True:
            self._seen += self._loop.run(PATIENCE, self._heard)
            if event in self._seen:
                return True
            if deadline.expired or self._process.poll() is not None:
                return False
            with contextlib.suppress(TimeoutError):
                message = self._loop.run(min(STEP * 20, deadline.left + STEP), self._events.get)
                self._seen.append(str(message["event"]))

    async def _heard(self) -> list[str]:
        # What is under way takes a few turns of the loop.
        await asyncio.sleep(0.001)
        return [str(message["event"]) for message in self._events.clear()]

    async def _send(self, descriptor: int) -> None:
        self._client.send_fd_scm(descriptor)


@contextlib.contextmanager
def monitor(path: Path, process: Process, seconds: float = PATIENCE) -> Iterator[Monitor]:
    """Connect to a machine that has just been started. Raises LabwrightError (host) where it never listens.

    process: QEMU's, which may have ended at once.
    """
    # It logs every refusal, with a traceback, before it raises what says the same.
    logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)
    deadline = Deadline(seconds)
    with _Loop() as loop:
        while True:
            client = QMPClient("labwright")
            events = EventListener()
            client.register_listener(events)
            try:
                loop.run(max(deadline.left, STEP), client.connect, str(path))
                break
            except (ConnectError, TimeoutError, OSError) as error:
                if deadline.expired or process.poll() is not None:
                    raise LabwrightError(
                        f"QEMU's monitor cannot be reached: {error or 'no answer'}",
                        cause=Cause.HOST,
                        hint="did QEMU start at all?",
                    ) from error
            time.sleep(STEP)
        try:
            yield Monitor(loop, client, events, process)
        finally:
            # A machine that ended took its end of the connection along.
            with contextlib.suppress(QMPError, OSError, EOFError):
                loop.run(PATIENCE, client.disconnect)
