"""The end of a lab: its keeper takes everything along; where that one was killed, the ledger says what it left."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline
from labwright.host.ledger import Ledger
from labwright.host.teardown import process_start, remove_folder
from labwright.lesson.lab import Lab

PATIENCE = 60.0


def end_lab(lab: Lab, ledger: Ledger) -> None:
    """End all that a lab runs, and remove what it wrote. Raises LabwrightError (host) for what will not go."""
    _end_keeper(lab)
    # Nothing is left of a keeper that ended by itself; one that was killed left its entries, and perhaps processes.
    for entry in sorted(ledger.entries(), key=lambda entry: (entry.kind != "process", -entry.created)):
        mine = (lab.keeper, lab.keeper_start), (lab.creator, lab.creator_start)
        if (entry.owner, entry.owner_start) in mine and not entry.owner_alive:
            ledger.release(entry)
    for folder in (lab.sockets, lab.folder):
        remove_folder(folder)


def _end_keeper(lab: Lab) -> None:
    if not lab.alive:
        return
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(lab.keeper)
        try:
            if process_start(lab.keeper) == lab.keeper_start:
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        except PermissionError as error:
            raise LabwrightError(
                f"the lab {lab.name} is another user's", cause=Cause.HOST, hint="have that user end it, or use sudo"
            ) from error
        finally:
            os.close(descriptor)
    limit = Deadline(PATIENCE)
    while lab.alive:
        if limit.expired:
            raise LabwrightError(
                f"the lab's process {lab.keeper} does not end",
                cause=Cause.HOST,
                hint="kill it (kill -9), then run the same command again",
            )
        time.sleep(0.02)
