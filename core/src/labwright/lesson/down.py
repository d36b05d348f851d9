"""The end of a lab: its keeper takes everything along; where that one was killed, the ledger says what it left."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline
from labwright.host.interrupts import undisturbed
from labwright.host.ledger import Ledger
from labwright.host.teardown import process_start, real_place, remove_folder
from labwright.lesson.lab import Lab, keeper_of

PATIENCE = 60.0


@undisturbed()
def end_lab(lab: Lab, ledger: Ledger) -> None:
    """End all that a lab runs, and remove what it wrote. Raises LabwrightError (host) for what will not go."""
    _end_keeper(lab.keeper, lab.keeper_start)
    # Nothing is left of a keeper that ended by itself; one that was killed left its entries, and perhaps processes.
    _release({(lab.keeper, lab.keeper_start), (lab.creator, lab.creator_start)}, ledger)
    for folder in (lab.sockets, lab.folder):
        remove_folder(folder)


@undisturbed()
def end_unreadable(folder: Path, ledger: Ledger) -> None:
    """The same for a lab whose record another version wrote. Raises LabwrightError (host)."""
    if keeper := keeper_of(folder):
        _end_keeper(*keeper)
        _release({keeper}, ledger)
    remove_folder(folder)


@undisturbed()
def end_half_made(folder: Path, ledger: Ledger) -> None:
    """Remove what somebody left who died before a lab was written down. We have the lab's lock.

    Its entries go too: later on `clean` would take the folder of the next lab for it. Raises LabwrightError (host).
    """
    place = str(real_place(folder))
    _release({(entry.owner, entry.owner_start) for entry in ledger.abandoned() if entry.what == place}, ledger)
    remove_folder(folder)


def _release(owners: set[tuple[int, int]], ledger: Ledger) -> None:
    for entry in sorted(ledger.entries(), key=lambda entry: (entry.kind != "process", -entry.created)):
        if (entry.owner, entry.owner_start) in owners and not entry.owner_alive:
            ledger.release(entry)


def _end_keeper(keeper: int, start: int) -> None:
    if keeper == 0 or process_start(keeper) != start:
        return
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(keeper)
        try:
            if process_start(keeper) == start:
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        except PermissionError as error:
            raise LabwrightError(
                f"the lab's process {keeper} is another user's",
                cause=Cause.HOST,
                hint="have that user end it, or use sudo",
            ) from error
        finally:
            os.close(descriptor)
    limit = Deadline(PATIENCE)
    while process_start(keeper) == start:
        if limit.expired:
            raise LabwrightError(
                f"the lab's process {keeper} does not end",
                cause=Cause.HOST,
                hint="kill it (kill -9), then run the same command again",
            )
        time.sleep(0.02)
