"""Compares speeds in one run and prints ratios. Nothing here passes or fails: a machine's mood is not a test.

    make bench

Needs an image that was built (make image). Peers and floors: a bare `qemu-img convert` for the disk, the interpreter's
own start for a build with nothing to do.
"""

from __future__ import annotations

import functools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labwright.disk.archive import unpack
from labwright.disk.assemble import DiskOptions, assemble
from labwright.host.paths import Paths
from labwright.host.run import run
from labwright.pipeline.build import Workshop
from labwright.plugins import hook_manager

RUNS = 3


def median(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(RUNS):
        started = time.monotonic()
        work()
        seconds.append(time.monotonic() - started)
    return statistics.median(seconds)


def row(name: str, value: float, unit: str, target: float | None = None, floor: float | None = None) -> None:
    goal = f"{target:g} {unit}" if target else ""
    ratio = f"{value / floor:.1f} x" if floor else ""
    print(f"| {name} | {value:.2f} {unit} | {goal} | {ratio} |")


def report() -> dict[str, Any]:
    return json.loads(Path("out/debian.json").read_text())


def disk(workshop: Workshop) -> None:
    # By its key: the newest system in the store can be another image's.
    stored = workshop.store.find("system", report()["steps"]["system"]["key"])
    assert stored is not None, "build the image first: make image"
    with tempfile.TemporaryDirectory(dir=workshop.paths.root) as folder:
        scratch = Path(folder)
        bench = workshop.runner("bench", 1_700_000_000).workbench(scratch, lambda _: None, scratch / "log")
        made = scratch / "made.qcow2"

        def whole() -> None:
            shutil.rmtree(scratch / "root", ignore_errors=True)
            root = unpack(stored.folder / "system.tar", bench)
            assemble(root, made, DiskOptions("bench", 2, 1_700_000_000), bench)

        seconds = median(whole)
        raw = scratch / "raw"
        run(["qemu-img", "convert", "-O", "raw", made, raw])
        bare = median(
            functools.partial(
                run,
                ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd", raw, made],
            )
        )
        row("tree to qcow2, against bare qemu-img convert", seconds, "s", 4, bare)


def nothing_changed() -> None:
    words = [sys.executable, "-m", "labwright", "build", "images/debian", "--out", "out"]
    quiet = {"stdout": subprocess.DEVNULL, "check": True}
    floor = median(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
    row("nothing changed, mirrors asked", median(lambda: subprocess.run(words, **quiet)), "s", None, floor)  # type: ignore[call-overload]
    words.append("--offline")
    row("nothing changed, --offline", median(lambda: subprocess.run(words, **quiet)), "s", 1.5, floor)  # type: ignore[call-overload]


def image() -> None:
    facts = report()
    row("image", facts["bytes"] / 1e6, "MB", 80)
    row("bzImage", Path("out/debian-kernel/bzImage").stat().st_size / 1e6, "MB", 5)
    boots = facts["tests"]["boots"]
    name = facts["tests"]["accelerator"]["name"]
    row(f"SSH after power-on, direct kernel, {name}", boots["direct"]["ssh"], "s", 8)
    row(f"SSH after power-on, BIOS, {name}", boots["bios"]["ssh"], "s", 11)
    row(f"SSH after power-on, UEFI, {name}", boots["uefi"]["ssh"], "s")


def main() -> None:
    print("| what | measured | target | ratio to the floor |\n|---|---|---|---|")
    image()
    disk(Workshop(Paths.from_environment(), hook_manager()[0]))
    nothing_changed()


if __name__ == "__main__":
    main()
