"""The pages and the metrics of a night. A fault in them is said, and ends no night."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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


def _attempt(what: str, work: Callable[[], None], say: Say) -> None:
    try:
        work()
    except Exception as error:  # whatever it is, the images are built
        say(f"{what} could not be written: {error}")
