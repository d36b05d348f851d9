"""The streams of a child: read at once into memory, a log and a listener, and never left full, whatever goes wrong."""

from __future__ import annotations

import contextlib
import io
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labwright.errors import Cause, LabwrightError, os_error

KEEP_LINES = 40
LARGEST_OUTPUT = 64 * 1024 * 1024
"""Characters of standard output that are kept; a child that writes more is ended."""
LONGEST_LINE = 64 * 1024
LARGEST_ERRORS = 1024 * 1024
"""Characters of standard error that are kept; the rest is in the log."""
JOIN_SECONDS = 10.0
"""For a process that is not ours to end and holds a stream: a set-user-ID one, say."""


@dataclass(frozen=True)
class Pipes:
    """Our ends of a child's streams. end: ends the child at once, with all that it started."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None
    end: Callable[[], None]


class Streams:
    """Threads for one child. failure: why the child was ended early, if it was; reading goes on."""

    def __init__(
        self, log: Path | None, subject: str, on_line: Callable[[str], None] | None, unlogged: str = ""
    ) -> None:
        self._unlogged = unlogged
        self.failure: BaseException | None = None
        self._subject = subject
        self._on_line = on_line
        # Not a list of lines: a flood of short ones would take thirty times its size.
        self._output = bytearray()
        self._size = 0
        self._errors: list[str] = []
        self._errors_size = 0
        self._tail: deque[str] = deque(maxlen=KEEP_LINES)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._pipes: Pipes | None = None
        self._log = _open_log(log, subject)

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
        if self._log is not None:
            # What a full disk did not take is still in the buffer; it was reported when it was written.
            with contextlib.suppress(OSError):
                self._log.close()

    @property
    def output(self) -> str:
        """Standard output so far."""
        return self._output.decode(errors="surrogatepass")

    @property
    def errors(self) -> str:
        """The beginning of standard error."""
        return "".join(self._errors)

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of both streams, oldest first."""
        return tuple(self._tail)

    def attach(self, pipes: Pipes, stdin: bytes | None) -> None:
        """Read the child's streams from now on, and write its standard input."""
        self._pipes = pipes
        self._start(self._read, pipes.stdout, True)
        self._start(self._read, pipes.stderr, False)
        if stdin is not None:
            self._start(_write, pipes.stdin, stdin)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _read(self, stream: IO[bytes], keep: bool) -> None:
        with io.TextIOWrapper(stream, encoding="utf-8", errors="replace") as text:
            while line := text.readline(LONGEST_LINE):
                with self._lock:
                    self._take(line, keep)

    def _take(self, line: str, keep: bool) -> None:
        passing = bool(self._unlogged) and line.startswith(self._unlogged)
        if not passing:
            self._tail.append(line.rstrip())
        if self.failure is not None:
            return
        try:
            if not passing:
                self._keep(line) if keep else self._keep_error(line)
                self._write_log(line)
            if self._on_line is not None:
                self._on_line(line.rstrip())
        except BaseException as error:
            self._give_up(error)

    def _write_log(self, line: str) -> None:
        if self._log is None:
            return
        try:
            self._log.write(line)
            self._log.flush()
        except OSError as error:
            raise os_error(error, f"{self._subject}: its log cannot be written") from error

    def _keep(self, line: str) -> None:
        self._output += line.encode(errors="surrogatepass")
        self._size += len(line)
        if self._size > LARGEST_OUTPUT:
            raise LabwrightError(
                f"{self._subject}: it wrote more than {LARGEST_OUTPUT >> 20} MiB",
                cause=Cause.HOST,
                details=self.tail[-3:],
                hint="this is not what the tool is known to do: look at the lines above",
            )

    def _keep_error(self, line: str) -> None:
        if self._errors_size < LARGEST_ERRORS:
            self._errors.append(line)
            self._errors_size += len(line)

    def _give_up(self, error: BaseException) -> None:
        self.failure = error
        if self._pipes is not None:
            with contextlib.suppress(ProcessLookupError):
                self._pipes.end()


def _write(stream: IO[bytes], data: bytes) -> None:
    """A child that does not read is no error here: it ends, or its time limit does it."""
    with contextlib.suppress(OSError, ValueError):
        stream.write(data)
        stream.flush()
    with contextlib.suppress(OSError, ValueError):
        stream.close()


def _open_log(log: Path | None, subject: str) -> IO[str] | None:
    if log is None:
        return None
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("a", encoding="utf-8")
    except OSError as error:
        raise os_error(error, f"{subject}: its log cannot be opened") from error
