"""Ctrl-C, SIGTERM and a lost terminal: KeyboardInterrupt in the main thread, never in the middle of giving back."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

TOGETHER = 0.5
"""Seconds. A terminal that closes sends SIGHUP twice, people press Ctrl-C twice: that is one wish."""
FORCED = 3
"""So many wishes while something is given back end that too, and leave the rest to `labwright clean`."""


class _State:
    """Of the process: signals are. depth: of undisturbed(). noted: wishes that wait for its end."""

    depth = 0
    noted = 0
    forced = False
    last = float("-inf")


def heeded() -> tuple[signal.Signals, ...]:
    """All three, but those that whoever started us has us ignore (nohup)."""
    ways = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return tuple(number for number in ways if signal.getsignal(number) is not signal.SIG_IGN)


def listen() -> None:
    """Have each that is heeded raise KeyboardInterrupt."""
    for number in heeded():
        signal.signal(number, _heard)


def forced() -> bool:
    """Whether somebody would not wait until all was given back."""
    return _State.forced


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Put off a wish to stop until the body is through. What is to be given back is given back in here.

    Raises KeyboardInterrupt at its end. In other threads than the main one, where no signal is heard, nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
    # Where the body failed that is to be read; the wish is granted by the next that is undisturbed, if there is one.
    if _State.noted and not _State.depth:
        _State.noted = 0
        raise KeyboardInterrupt


def _heard(_number: int, _frame: FrameType | None) -> None:
    now = time.monotonic()
    if now - _State.last < TOGETHER:
        return
    _State.last = now
    if _State.depth:
        _State.noted += 1
        if _State.noted < FORCED:
            return
        _State.noted, _State.forced = 0, True
    raise KeyboardInterrupt
