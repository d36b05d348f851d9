"""A serial console: read by the line, with silence as a sign of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline
from labwright_nos.dialogue.clean import Cleaner
from labwright_nos.dialogue.transcript import Transcript

CHUNK = 65536
RECENT = 8
"""Lines that a question may have begun before, where noise broke it."""
LONGEST = 512
"""Characters of a line that patterns look at: they may take the square of it."""
CONNECT_SECONDS = 30.0
WRITE_SECONDS = 30.0
DRAIN_SECONDS = 0.2


class Wire(Protocol):
    """Bytes to and from a console."""

    def receive(self, seconds: float) -> bytes | None:
        """What came within this time, b"" for nothing, None where the other end is gone."""
        ...

    def send(self, data: bytes) -> None:
        """Type. Raises OSError where the other end is gone or takes nothing."""
        ...


class SocketWire:
    """QEMU's socket of a serial port."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def receive(self, seconds: float) -> bytes | None:
        """What came within this time."""
        self._connection.settimeout(max(seconds, 0.001))
        try:
            return self._connection.recv(CHUNK) or None
        except TimeoutError:
            return b""
        except OSError:
            return None

    def send(self, data: bytes) -> None:
        """Type."""
        self._connection.settimeout(WRITE_SECONDS)
        self._connection.sendall(data)


@contextlib.contextmanager
def connected(path: Path) -> Iterator[SocketWire]:
    """The console of a machine that has just been started. Raises LabwrightError (host)."""
    deadline = Deadline(CONNECT_SECONDS)
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            break
        except OSError as error:
            connection.close()
            if deadline.expired:
                raise LabwrightError(
                    f"the serial console cannot be reached: {error}", cause=Cause.HOST, hint="did QEMU start at all?"
                ) from error
            time.sleep(0.05)
    with connection:
        yield SocketWire(connection)


class Console:
    """Lines that came and were not read yet, the unfinished last line, and for how long nothing has come.

    closed: whether the other end is gone. received: bytes in all. clock: the seconds that silence is measured by;
    another one than this host's where a device is simulated.
    """

    def __init__(
        self, wire: Wire, transcript: Transcript, pace: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wire = wire
        self._cleaner = Cleaner()
        self._pace = pace
        self._heard = clock()
        self.clock = clock
        self.transcript = transcript
        self.lines: deque[str] = deque()
        self.recent: deque[str] = deque(maxlen=RECENT)
        """The last lines that came since something was typed."""
        self.last = ""
        self.answered = ""
        """The question that was answered last: drawn once more before the answer's echo, it is none."""
        self.closed = False
        self.received = 0

    @property
    def silent(self) -> float:
        """Seconds since something came or was typed."""
        return self.clock() - self._heard

    def listen(self, seconds: float) -> None:
        """Wait this long for something to come, and sort it into lines."""
        if self.closed:
            return
        data = self._wire.receive(seconds)
        if data is None:
            self.closed = True
            self._sort(self._cleaner.flush())
        elif data:
            self._heard = self.clock()
            self.received += len(data)
            self._sort(self._cleaner.feed(data))

    def type(self, text: str) -> None:
        """Type a text. Raises LabwrightError (guest) where the console takes nothing."""
        try:
            for part in text if self._pace else (text,):
                self._wire.send(part.encode())
                if self._pace:
                    self._breathe()
        except OSError as error:
            self.closed = True
            raise LabwrightError(
                f"the console takes nothing any more: {error}",
                cause=Cause.GUEST,
                details=self.transcript.tail(),
                hint="has the machine ended or crashed? The lines above are its last words",
            ) from error
        self._heard = self.clock()
        self.recent.clear()

    @contextlib.contextmanager
    def drained(self) -> Iterator[None]:
        """Read in the background what nobody waits for: a serial port whose buffer is full stops the device.

        Nothing else may use the console meanwhile.
        """
        over = threading.Event()

        def body() -> None:
            while not (over.is_set() or self.closed):
                self.listen(DRAIN_SECONDS)
                self.lines.clear()

        thread = threading.Thread(target=body, name="console", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def forget(self) -> None:
        """What is there has been dealt with."""
        self.lines.clear()
        self.last = ""

    def _breathe(self) -> None:
        """The time between two characters: what comes meanwhile is read, since a full line would stop the device."""
        end = Deadline(self._pace, self.clock)
        while not (end.expired or self.closed):
            self.listen(max(end.left, 0.001))

    def _sort(self, text: str) -> None:
        if not text:
            return
        self.transcript.add(text)
        *ended, last = (self.last + text).split("\n")
        # The end of a long line counts: there the prompt is.
        self.lines.extend(line[-LONGEST:] for line in ended)
        self.recent.extend(line[-LONGEST:] for line in ended[-RECENT:])
        self.last = last[-LONGEST:]
