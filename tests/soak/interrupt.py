"""Ends lessons with Ctrl-C at random moments, and prints a table: what was lost, what was left, what was said.

    make soak

Needs what an image of a router is built from in the cache; a router is resumed from a snapshot, configured by one job
that goes on for ever, and interrupted.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from support.labs import Place, place_with_frr

from labwright.host.paths import Paths

SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM, "a lost terminal": signal.SIGHUP}
PATIENCE = 60.0
"""Seconds from a signal to the end. What takes longer did not hear it."""
FOREVER = "import time\nprint('here', flush=True)\ntime.sleep(3600)\n"
SOON = 10.0
STOPPED = 130
BEFORE = "before the first"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=Paths.from_environment().root.parent))
    try:
        with place_with_frr(folder) as place:
            lesson = place.lesson("soak", "r1", script=FOREVER)
            prepared = place.run("prepare", lesson, "--images", place.images)
            assert prepared.returncode == 0, prepared.stderr
            # The jobs of its stage have their share of the moments.
            longest = 1.5 * seconds_to_jobs(place, lesson)
            table([one(place, lesson, random.Random(wanted.seed + number), longest)
                   for number in range(wanted.rounds)])  # fmt: skip
    finally:
        shutil.rmtree(folder)


def seconds_to_jobs(place: Place, lesson: Path) -> float:
    """From the start until its endpoints are configured; that one is ended."""
    begun = time.monotonic()
    running = place.start_up(lesson)
    place.booting(lesson)
    place.wait_for(lambda: place.state(lesson)["phase"] == "configuring")
    took = time.monotonic() - begun
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=PATIENCE)
    return took


def one(place: Place, lesson: Path, chance: random.Random, longest: float) -> tuple[str, dict[str, int]]:
    """One that is interrupted: in which step, and what was wrong with it."""
    name = chance.choice(sorted(SIGNALS))
    running = place.start_up(lesson)
    time.sleep(chance.uniform(0.3, longest))
    begun = time.monotonic()
    os.killpg(running.pid, SIGNALS[name])
    try:
        out, error = running.communicate(timeout=PATIENCE)
        lost = 0
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        out, error = running.communicate()
        lost = 1
    took = time.monotonic() - begun
    step = step_of(out)
    logs = "".join(path.read_text(errors="replace") for path in (place.cache / "logs").rglob("*.log"))
    left = left_of(place)
    codes = {STOPPED, -SIGNALS[name]} if step == BEFORE else {STOPPED}
    facts = {
        "lost": lost,
        "other codes": int(not lost and running.returncode not in codes),
        "left": int(bool(left)),
        "tracebacks": int("Traceback" in out + error or "labwright/" in logs),
    }
    print(f"{name} in {step}: exit code {running.returncode} after {took:.1f} s; {', '.join(left) or 'nothing left'}")
    if any(facts.values()):
        print(out, error, logs, sep="\n", flush=True)
    if left or lost:
        place.gone(lesson)
        place.clean()
    shutil.rmtree(place.cache / "logs", ignore_errors=True)
    return step, facts


def left_of(place: Place) -> list[str]:
    """What stays: a keeper that was started in the last moment ends by itself."""
    until = time.monotonic() + SOON
    while (left := place.left()) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def step_of(out: str) -> str:
    """The last that was begun."""
    steps = [BEFORE]
    for line in out.splitlines():
        event = json.loads(line)
        if event.get("kind") == "step-started":
            steps.append(event["step"])
    return steps[-1]


def table(rounds: list[tuple[str, dict[str, int]]]) -> None:
    """The result in Markdown."""
    rows: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for step, facts in rounds:
        for row in (step, "all"):
            rows[row].update(facts | {"rounds": 1})
    columns = ["rounds", *rounds[0][1]]
    print(f"\n| in | {' | '.join(columns)} |\n{'|---' * (len(columns) + 1)}|")
    for row in sorted(rows, key=lambda row: row == "all"):
        print(f"| {row} | {' | '.join(str(rows[row][column]) for column in columns)} |")


if __name__ == "__main__":
    main()
