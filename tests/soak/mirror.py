"""Builds a tree through a mirror that fails one request in five, for each way to fail, and prints a table.

make soak
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from pathlib import Path

from support import builds
from support.mirror import FAULTS, FaultyMirror, served

from labwright.host.paths import Paths
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager
from labwright_debian.archive import host_mirror

ALL = "mixed"


def real_mirrors(folder: Path) -> dict[str, str]:
    """The mirrors that this machine's apt uses."""
    workshop = Workshop(Paths(folder / "look"), hook_manager()[0])
    (folder / "look").mkdir(parents=True)
    bench = workshop.runner("look").workbench(folder / "look", lambda _: None, folder / "log")
    return {"debian": host_mirror(bench, security=False), "security": host_mirror(bench, security=True)}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=(*FAULTS, ALL), help="one way to fail instead of all, one after the other")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=Paths.from_environment().root.parent))
    try:
        print("| fault | requests | spoilt | exit code | seconds | leaks |\n|---|---|---|---|---|---|")
        targets = real_mirrors(folder)
        for name in [wanted.only] if wanted.only else [*FAULTS, ALL]:
            kinds = FAULTS if name == ALL else (name,)
            rates = {kind: wanted.rate / len(kinds) for kind in kinds}
            print(
                one(name, FaultyMirror(targets, folder / "kept", rates, random.Random(wanted.seed)), folder), flush=True
            )
    finally:
        shutil.rmtree(folder)


def one(name: str, mirror: FaultyMirror, folder: Path) -> str:
    """A row: the kernel's source and the tree, from nothing."""
    cache, image = folder / name / "cache", folder / name / "soak"
    image.mkdir(parents=True)
    with served(mirror):
        build = {"type": "debian", "mirror": mirror.url("debian"), "securityMirror": mirror.url("security")}
        (image / "image.meta.yaml").write_text(json.dumps({"slug": "soak", "description": "x", "build": build}))
        started = time.monotonic()
        done = [builds.command("build", image, "--out", folder / "out", "--until", step, cache=cache)
                for step in ("kernel-source", "tree")]  # fmt: skip
    seconds = time.monotonic() - started
    code = max(one.returncode for one in done)
    if code:
        print(*(one.stderr for one in done))
    requests, spoilt = sum(mirror.requests.values()), sum(mirror.spoilt.values())
    leaks = len(builds.leaks(cache))
    shutil.rmtree(cache)
    return f"| {name} | {requests} | {spoilt} | {code} | {seconds:.0f} | {leaks} |"


if __name__ == "__main__":
    main()
