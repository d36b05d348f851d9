"""The pages and the metrics of a night. A fault in them is said, and ends no night."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.nightly import page
from labwright.nightly.model import Night
from labwright.nightly.places import Places

Say = Callable[[str], None]


def write_page(places: Places, night: Night, say: Say) -> None:
    """Write the page of the night and the list of all nights. say: gets what is wrong, where something is."""
    _attempt("the page of the night", lambda: page.write(places, night), say)


def write_metrics(places: Places, night: Night, file: Path, say: Say) -> None:
    """Write the metrics of the night for the collector of a node. say: gets what is wrong, where something is."""
    _attempt(f"the metrics in {file}", lambda: page.write_metrics(places, night, file), say)


def check_metrics(file: Path) -> None:
    """Raises LabwrightError (config) for a file that could not be written, or that no collector would read."""
    if file.suffix != ".prom":
        raise LabwrightError(
            f"--metrics {file}: the node exporter reads files whose names end in .prom, and no other",
            cause=Cause.CONFIG,
            hint=f"name it {file.with_name(file.name.partition('.')[0] or 'labwright')}.prom",
        )
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise LabwrightError(
            f"--metrics {file}: nothing can be written in {file.parent}: {error.strerror}",
            cause=Cause.CONFIG,
            hint="make the folder, and let this user write there; in a unit of systemd name it in ReadWritePaths= "
            "(docs/nightly.md)",
        ) from error


def _attempt(what: str, work: Callable[[], None], say: Say) -> None:
    try:
        work()
    except Exception as error:  # whatever it is, the images are built
        say(f"{what} could not be written: {error}")
