"""How a command reaches the device. Arguments are lists, files go by standard input, everything has a limit."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from napalm.base.exceptions import CommandTimeoutException, ConnectionClosedException, ConnectionException

from napalm_frr.errors import message

MOST_BYTES = 64 * 1024 * 1024
CHUNK = 65536
# The last word of the command that runs one of our scripts.
SCRIPT = "napalm-frr"
GRACE_SECONDS = 3


@dataclass(frozen=True)
class Answer:
    """What a command left behind. out, err: what it printed; bytes that are not UTF-8 are lone surrogates in them."""

    code: int
    out: str
    err: str


class Transport(Protocol):
    """Runs commands on one device."""

    def open(self) -> None:
        """Raises ConnectionException and its kin."""

    def close(self) -> None:
        """Never raises."""

    def alive(self) -> bool:
        """Whether a command has a chance."""

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60) -> Answer:
        """Run one command to its end. timeout: seconds.

        Raises CommandTimeoutException, ConnectionClosedException, or ConnectionException for too much output.
        """


class Collected:
    """What has been printed so far. Raises ConnectionException at the byte that is too many."""

    def __init__(self) -> None:
        self.streams: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}

    def add(self, name: str, data: bytes) -> None:
        """Keep it."""
        self.streams[name] += data
        if sum(map(len, self.streams.values())) > MOST_BYTES:
            raise ConnectionException(
                message(
                    f"The device printed more than {MOST_BYTES // 1024 // 1024} MiB, and was cut off.",
                    remedy="ask for less, such as one prefix in place of the whole table",
                )
            )

    def answer(self, code: int) -> Answer:
        """All of it as text."""
        out, err = (self.streams[name].decode("utf-8", "surrogateescape") for name in ("out", "err"))
        return Answer(code, out, err)


def timed_out(argv: Sequence[str], seconds: float) -> CommandTimeoutException:
    """The exception for a command that did not end. Scripts are named by their purpose: nobody reads their text."""
    what = "a script of napalm-frr" if argv[-1] == SCRIPT else " ".join(argv)
    return CommandTimeoutException(
        message(
            f"No answer within {seconds:g} s from: {what}",
            remedy="look whether the FRR daemons hang (`vtysh -c 'show daemons'`), or give the driver a larger timeout",
        )
    )


class LocalTransport:
    """Commands on this machine: a router that manages itself, and tests."""

    def __init__(self) -> None:
        self._open = False

    def open(self) -> None:
        """Nothing to connect to."""
        self._open = True

    def close(self) -> None:
        """Nothing to disconnect."""
        self._open = False

    def alive(self) -> bool:
        """From open to close."""
        return self._open

    def run(self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60) -> Answer:
        """As the protocol says. A command that takes too long is ended; our scripts first put things in order."""
        if not self._open:
            raise ConnectionClosedException("The driver is not open: call open() first.")
        with tempfile.TemporaryFile() as given:
            # An unlinked file, not a pipe: neither side can wait for the other.
            given.write(stdin)
            given.seek(0)
            try:
                process = subprocess.Popen(
                    argv, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
                )
            except FileNotFoundError as error:
                return Answer(127, "", f"{error.filename}: not found")
        try:
            answer = self._collect(process, argv, timeout)
        except BaseException:
            _end(process, argv[-1] == SCRIPT)
            raise
        finally:
            _close(process)
        return answer

    @staticmethod
    def _collect(process: subprocess.Popen[bytes], argv: Sequence[str], timeout: float) -> Answer:
        end, collected = time.monotonic() + timeout, Collected()
        with selectors.DefaultSelector() as selector:
            for name, stream in (("out", process.stdout), ("err", process.stderr)):
                assert stream is not None
                selector.register(stream, selectors.EVENT_READ, name)
            while selector.get_map():
                ready = selector.select(max(0.0, end - time.monotonic()))
                if not ready:
                    raise timed_out(argv, timeout)
                for key, _ in ready:
                    stream_: IO[bytes] = key.fileobj  # type: ignore[assignment]
                    data = os.read(stream_.fileno(), CHUNK)
                    collected.add(key.data, data)
                    if not data:
                        selector.unregister(stream_)
        try:
            return collected.answer(process.wait(max(0.1, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            raise timed_out(argv, timeout) from None


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def _end(process: subprocess.Popen[bytes], script: bool) -> None:
    """End a command with SIGTERM, which sudo and timeout(1) hand on.

    A script that changes nothing tidies up and ends; one in the middle of a change finishes it, as it does over SSH, so
    nothing worse ever comes to it.
    """
    # Who writes must not wait for us.
    _close(process)
    # sudo's process is not ours to end; what failed before is worth more than that.
    with contextlib.suppress(PermissionError):
        process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        if not script:
            with contextlib.suppress(PermissionError):
                process.kill()
        threading.Thread(target=process.wait, daemon=True).start()
