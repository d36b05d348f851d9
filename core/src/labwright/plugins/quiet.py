"""What others' code prints while it is looked at would stand in the middle of a command's JSON: nobody hears it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator

STDOUT = 1


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Throw away what the body prints, its children and libraries in C too, which know of no sys.stdout."""
    with contextlib.ExitStack() as stack:
        # A real text stream: modules may ask for its buffer or its encoding.
        text = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace")
        # What we have said ourselves and is still in a buffer belongs to the old one.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
        stack.enter_context(contextlib.redirect_stdout(text))
        with contextlib.suppress(OSError):
            # Fails where we were started without a standard output.
            kept = os.dup(STDOUT)
            stack.callback(_restore, kept)
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nowhere, STDOUT)
            os.close(nowhere)
        yield


def _restore(kept: int) -> None:
    os.dup2(kept, STDOUT)
    os.close(kept)
