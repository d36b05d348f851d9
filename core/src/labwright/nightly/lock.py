"""One nightly build at a time in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from labwright.errors import Cause, LabwrightError, os_error
from labwright.host.locks import take
from labwright.host.text import plain
from labwright.nightly.places import Places

FILE = ".lock"


@contextlib.contextmanager
def alone(places: Places) -> Iterator[None]:
    """Hold the folder of all nights. Raises LabwrightError (host) naming the process that has it and since when."""
    place = places.root / FILE
    try:
        stream = take(place, fcntl.LOCK_EX, wait=False)
    except OSError as error:
        raise os_error(error, f"{places.root} cannot be written") from error
    if stream is None:
        holder = ""
        with contextlib.suppress(OSError):
            holder = plain(place.read_text(errors="replace"))[:100].strip()
        raise LabwrightError(
            f"another nightly build is at work in {places.root}: {holder or 'it has just begun'}",
            cause=Cause.HOST,
            hint="wait for its end, or end it; with another --out two can run at once",
        )
    with stream:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        stream.truncate(0)
        stream.write(f"process {os.getpid()}, since {since} UTC\n".encode())
        stream.flush()
        yield
