"""What can go wrong, said so that a tired person can act on it.

Every error carries what failed, the class of its cause, the last lines that matter and what to do about it.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path


class Cause(Enum):
    """The class of a failure. The value is the word that users and programs see."""

    CONFIG = "config"
    HOST = "host"
    NETWORK = "network"
    SIGNATURE = "signature"
    DISK_FULL = "disk full"
    GUEST = "guest"
    PLUGIN = "plugin"
    REVIEW = "review"
    INTERRUPTED = "interrupted"
    MEMORY = "memory"
    INTERNAL = "internal"

    @property
    def exit_code(self) -> int:
        """The exit code of a command that fails for this cause; docs/how-it-works.md lists them."""
        return EXIT_CODES[self]


EXIT_CODES = {
    Cause.REVIEW: 1,
    Cause.CONFIG: 2,
    Cause.HOST: 3,
    Cause.NETWORK: 4,
    Cause.SIGNATURE: 5,
    Cause.DISK_FULL: 6,
    Cause.GUEST: 7,
    Cause.PLUGIN: 8,
    Cause.INTERNAL: 9,
    Cause.MEMORY: 10,
    Cause.INTERRUPTED: 130,
}


class LabwrightError(Exception):
    """A failure that is meant for a person: what failed, why, and the remedy.

    what: one sentence without a full stop. hint: the remedy. details: the last lines that matter, oldest first.
    log: the file that holds the rest. facts: what a program would have got of a success, by the same names, as plain
    values; --json says them beside the rest.
    """

    def __init__(
        self,
        what: str,
        *,
        cause: Cause,
        hint: str = "",
        details: Sequence[str] = (),
        log: Path | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.cause = cause
        self.hint = hint
        self.details = tuple(details)
        self.log = log
        self.facts = dict(facts or {})


def os_error(error: OSError, doing: str) -> LabwrightError:
    """An operating system's refusal in our words."""
    name = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOMEM:
        return out_of_memory(doing)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return LabwrightError(
            f"{doing}: the disk is full{name}",
            cause=Cause.DISK_FULL,
            hint="free some space, or put the work elsewhere with LABWRIGHT_CACHE and --out; then run it again",
        )
    return LabwrightError(
        f"{doing}: {error.strerror or error}{name}",
        cause=Cause.HOST,
        hint="see labwright doctor for what this host lacks",
    )


def out_of_memory(doing: str) -> LabwrightError:
    """This process may take no more memory."""
    return LabwrightError(
        f"{doing}: out of memory",
        cause=Cause.MEMORY,
        hint="give it more (ulimit -v, the container's limit), run it again",
    )
