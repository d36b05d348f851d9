"""Kills a build with SIGKILL at random moments and builds again, and prints a table: what was left, what failed.

    make soak

Needs the kernel in the cache (make image); all other steps run, over and over, in a cache of their own.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from support import builds

from labwright.host.paths import Paths

STEPS = ("tree", "system", "disk", "test")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=60, help="seconds that a build may run before it is killed")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=Paths.from_environment().root.parent))
    try:
        soak(folder, wanted.kills, random.Random(wanted.seed), wanted.longest)
    finally:
        shutil.rmtree(folder)


def soak(folder: Path, kills: int, chance: random.Random, longest: float) -> None:
    """Kill, look, clean, go on, every other time from an earlier step, so that each has its share of the moments."""
    cache, out = folder / "cache", folder / "out"
    image = shutil.copytree(builds.REPOSITORY / "images/debian", folder / "debian")
    builds.seed(cache, Paths.from_environment().root, "kernel-source", "kernel", "kernel-package")
    assert builds.command("lock", image, cache=cache).returncode == 0
    rows = collections.defaultdict(lambda: collections.Counter(kills=0, left=0, leaks=0, failures=0))
    digests = set()
    done = 0
    while done < kills:
        # Every other build asks the mirrors, so that this is a moment too; the locked ones have to be the same.
        words = ["build", image, "--out", out, "--json", *(["--locked"] if chance.random() < 0.5 else [])]
        step, finished = killed(words, cache, chance.uniform(0.2, longest))
        if finished:
            if "--locked" in words:
                digests.add(hashlib.sha256((out / "debian.qcow2").read_bytes()).hexdigest())
            forget(cache, 0)
            shutil.rmtree(cache / "downloads/packages")
            continue
        done += 1
        row = rows[step]
        row["kills"] += 1
        time.sleep(0.5)
        loops = builds.loop_devices("")
        row["left"] += len(list((cache / "ledger").glob("*.json")))
        cleaned = builds.command("clean", "--json", cache=cache)
        row["failures"] += cleaned.returncode != 0
        left = builds.leaks(cache)
        row["leaks"] += len(left)
        assert builds.loop_devices("") == loops, "a loop device of somebody else is gone"
        if chance.random() < 0.5:
            forget(cache, chance.randrange(len(STEPS)))
        print(f"{done}: killed in {step}; {', '.join(left) or 'nothing left'}", flush=True)
    final = builds.command("build", image, "--locked", "--out", out, "--json", cache=cache)
    digests.add(hashlib.sha256((out / "debian.qcow2").read_bytes()).hexdigest() if final.returncode == 0 else "failed")
    table(rows, digests, final.returncode)


def killed(words: list[str | Path], cache: Path, after: float) -> tuple[str, bool]:
    """Start a build and kill it: the step that ran, and whether the build was through before that."""
    running = builds.start(*words, cache=cache)
    step = ["start"]

    def read() -> None:
        assert running.stdout is not None
        for line in running.stdout:
            event = json.loads(line)
            if event.get("kind") == "step-started":
                step[0] = event["step"]

    reader = threading.Thread(target=read)
    reader.start()
    try:
        running.wait(after)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGKILL)
    code = running.wait()
    reader.join()
    error = running.stderr.read() if running.stderr else ""
    assert code in {0, -signal.SIGKILL}, f"a build after a kill failed: {code}\n{error}"
    return step[0], code == 0


def forget(cache: Path, first: int) -> None:
    """Remove what the build has made, from one of the steps after the kernel on."""
    for step in STEPS[first:]:
        builds.command("cache", "remove", step, cache=cache)


def table(rows: dict[str, collections.Counter[str]], digests: set[str], code: int) -> None:
    """The result in Markdown."""
    print("\n| killed in | kills | entries for clean | leaks after clean | failures |\n|---|---|---|---|---|")
    total: collections.Counter[str] = collections.Counter()
    for step, row in rows.items():
        total.update(row)
        print(f"| {step} | {row['kills']} | {row['left']} | {row['leaks']} | {row['failures']} |")
    print(f"| all | {total['kills']} | {total['left']} | {total['leaks']} | {total['failures']} |")
    print(f"\nlast build: exit code {code}; different images over all builds that got through: {len(digests)}")


if __name__ == "__main__":
    main()
