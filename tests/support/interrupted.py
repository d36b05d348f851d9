"""A wish to stop at a chosen moment: a real signal to ourselves, heard as the program hears it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from labwright.host import interrupts

EVENTS = {"open", "os.rename", "os.mkdir", "os.symlink", "os.remove", "os.rmdir", "os.listdir"}
HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Touches:
    """Of files below a folder. left: until the one at which a signal comes; 0: none does."""

    root = ""
    left = 0
    hooked = False


def _touched(event: str, arguments: tuple[object, ...]) -> None:
    if _Touches.left and event in EVENTS and str(arguments[0]).startswith(_Touches.root):
        _Touches.left -= 1
        if not _Touches.left:
            os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Signals are a KeyboardInterrupt, each of them, however soon it comes after another."""
    before = {number: signal.getsignal(number) for number in HEARD}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interrupts, "TOGETHER", 0.0)
        interrupts.listen()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            # A wish that nothing granted would end whoever gives something back next.
            interrupts._State.depth = interrupts._State.noted = 0
            interrupts._State.forced = False


def at_each_touch(make: Callable[[int], Path], work: Callable[[Path], object]) -> Iterator[Path]:
    """The folders that `make` makes, each after work that was interrupted at its next touch of a file in there.

    The last one is where it came to its end without.
    """
    if not _Touches.hooked:
        # For good: a hook cannot be taken away.
        sys.addaudithook(_touched)
        _Touches.hooked = True
    for moment in count(1):
        root = make(moment)
        with heard(), contextlib.suppress(KeyboardInterrupt):
            _Touches.root, _Touches.left = str(root), moment
            work(root)
        over, _Touches.left = _Touches.left > 0, 0
        yield root
        if over:
            assert moment > 3, "it touches hardly anything"
            return


def before(patch: pytest.MonkeyPatch, method: str, name: str) -> None:
    """Have a signal come when a method of the thread of this name (start, join) is about to run."""
    real = getattr(threading.Thread, method)

    def disturbed(thread: threading.Thread, *words: float | None) -> None:
        if thread.name == name:
            os.kill(os.getpid(), signal.SIGTERM)
        real(thread, *words)

    patch.setattr(threading.Thread, method, disturbed)
