"""A lab of three FRR routers from nothing to READY: booted, and from snapshots; beside the floor, one machine alone.

python -m bench.lessons [LESSON]: seconds of `labwright lesson up`, medians of three. Without a lesson, three routers
that nothing configures, so that what is compared is labwright's part; with one, its configuration is in both numbers.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import Table

ROUNDS = 3
META = """
name: Routers
slug: bench-routers
category: tools
tier: local
description: Routers
shortDescription: Routers
endpoints: [{endpoints}]
connections: [{connections}]
stages: [{{description: Nothing, guideType: markdown}}]
"""


def lesson(folder: Path, count: int) -> Path:
    """A lesson of so many routers in a row."""
    (folder / "stage0").mkdir(parents=True)
    (folder / "stage0/guide.md").write_text("# Nothing\n")
    endpoints = ", ".join(
        f"{{name: r{number}, image: frr, presentations: [{{name: cli, port: 22, type: ssh}}]}}"
        for number in range(1, count + 1)
    )
    connections = ", ".join(f"{{a: r{number}, b: r{number + 1}}}" for number in range(1, count))
    (folder / "lesson.meta.yaml").write_text(META.format(endpoints=endpoints, connections=connections))
    return folder


def labwright(*words: str | Path) -> str:
    """Its output. Raises CalledProcessError."""
    done = subprocess.run(
        [sys.executable, "-m", "labwright", "lesson", *map(str, words)], capture_output=True, text=True, check=True
    )
    return done.stdout


def up(place: Path, *options: str) -> float:
    """Seconds to READY, the median."""
    took = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        try:
            lines = labwright("up", place, "--json", *options).splitlines()
            took.append(time.monotonic() - started)
            assert json.loads(lines[-1])["lab"]["state"] == "ready"
        finally:
            labwright("down", place)
    return statistics.median(took)


def compare(places: dict[str, Path]) -> Table:
    """Cold and quick."""
    table = Table(("seconds",), "beside cold")
    for name, place in places.items():
        labwright("prepare", place)
        cold = up(place, "--cold")
        table.add(f"{name}, cold", cold)
        quick = up(place)
        table.add(f"{name}, from snapshots (target for three: 0.25)", quick, ratio=quick / cold)
    return table


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="labwright-") as folder:
        if len(sys.argv) > 1:
            copy = Path(shutil.copytree(sys.argv[1], Path(folder, "lesson")))
            chosen = {copy.name: copy}
        else:
            chosen = {"three routers": lesson(Path(folder, "three"), 3), "floor: one": lesson(Path(folder, "one"), 1)}
        print(compare(chosen).markdown())
