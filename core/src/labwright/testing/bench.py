"""A workbench for tests: the real one, in a folder of the test's own."""

from __future__ import annotations

import functools
from pathlib import Path

from labwright.host.ledger import Ledger
from labwright.host.run import run
from labwright.interfaces import Workbench

EPOCH = 1_700_000_000
"""Seconds since 1970: a date in the past, so that what is newer than it shows."""


def workbench(folder: Path) -> Workbench:
    """A workbench below a folder, which is there and empty; its children are started by labwright's own run()."""
    scratch, downloads = folder / "scratch", folder / "downloads"
    scratch.mkdir()
    downloads.mkdir()
    return Workbench(
        run=functools.partial(run, log=folder / "log"),
        scratch=scratch,
        downloads=downloads,
        ledger=Ledger(folder / "ledger"),
        say=lambda _: None,
        source_date_epoch=EPOCH,
        jobs=2,
        log=folder / "log",
    )
