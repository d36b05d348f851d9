"""What builds that were killed left on a worker."""

from __future__ import annotations

import json
import os
import sys

from labwright.errors import Cause, LabwrightError
from labwright.host.ledger import Ledger
from labwright.host.paths import Paths
from labwright.host.run import run
from labwright.host.text import line
from labwright.nightly.local import ANY_CODE

LONGEST = 600.0
"""Seconds for giving everything back: a folder of a build is some ten thousand files."""


def give_back(paths: Paths) -> tuple[str, ...]:
    """Undo what dead builds held. Returns what would not go, a line each; raises nothing.

    By `labwright clean`, where there is something: an ordinary user's worker is outside of the user namespace in which
    the files that builds leave can be removed.
    """
    try:
        return _cleaned(paths) if _left(Ledger(paths.ledger)) else ()
    except LabwrightError as error:
        return (_words(error.what, error.hint),)


def _left(ledger: Ledger) -> bool:
    try:
        return bool(ledger.abandoned())
    except LabwrightError:
        # An entry that cannot be read: clean says so, and does the others.
        return True


def _cleaned(paths: Paths) -> tuple[str, ...]:
    done = run(
        [sys.executable, "-P", "-m", "labwright", "clean", "--json"],
        env=dict(os.environ) | {"LABWRIGHT_CACHE": str(paths.root)},
        timeout=LONGEST,
        accept=ANY_CODE,
        what="giving back what killed builds held failed",
    )
    try:
        failures = json.loads(done.output)["failures"]
        return tuple(_words(failure["what"], failure["hint"]) for failure in failures)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise LabwrightError(
            f"labwright clean ended without a word (exit code {done.code})",
            cause=Cause.HOST,
            hint="run it by hand: labwright clean",
        ) from error


def _words(what: object, hint: object) -> str:
    return line(f"what a killed build held is still there: {what}; {hint}")
