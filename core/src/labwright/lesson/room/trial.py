"""A room made and left, in the namespaces of a lab: what `check` starts. Prints the error as JSON, or nothing."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from labwright.errors import LabwrightError
from labwright.host.ledger import Ledger
from labwright.lesson.room import open_rooms


def main() -> None:
    """Make a room."""
    with tempfile.TemporaryDirectory(prefix="labwright-") as name:
        folder = Path(name)
        try:
            with open_rooms({}, folder / "scratch", Ledger(folder / "ledger"), warm=()) as rooms:
                rooms.run(["true"], lesson=folder, timeout=60)
        except LabwrightError as error:
            json.dump({"what": error.what, "hint": error.hint, "details": error.details}, sys.stdout)


if __name__ == "__main__":
    main()
