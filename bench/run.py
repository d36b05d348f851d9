"""Compares with peers and floors in one run and prints ratios. Nothing passes or fails: a machine's mood is no test.

    make bench [FIRECRACKER=guest.config]

Needs an image that was built (make image), debos, and for the kernel Firecracker's 6.1 guest configuration.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.boot import ssh_seconds
from bench.convert import measure_convert
from bench.debos import measure_debos
from bench.kernel import compile_kernel
from bench.measure import Measured, Table, machine, measure

from labwright.disk.archive import unpack
from labwright.disk.assemble import DiskOptions, assemble
from labwright.host.paths import Paths
from labwright.host.run import run
from labwright.interfaces import Pins
from labwright.pipeline.runner import default_jobs
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager
from labwright_debian.tree import LEAVE_OUT

RUNS = 3
KERNEL_STEPS = ("kernel-source", "kernel", "kernel-package")


def median(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(RUNS):
        started = time.monotonic()
        work()
        seconds.append(time.monotonic() - started)
    return statistics.median(seconds)


def report() -> dict[str, Any]:
    return json.loads(Path("out/debian.json").read_text())


def stage1(workshop: Workshop, folder: Path) -> Table:
    """Stage 1 without the kernel, from an empty cache, beside bare mmdebstrap of the same packages and beside debos."""
    pins = Pins.model_validate_json(json.dumps(report()["pins"]))
    table = Table(("seconds", "CPU seconds", "memory MB", "image MB", "SSH seconds"), ratio="time, of ours")
    ours, image = our_stage1(workshop, folder / "ours")
    theirs: list[tuple[str, Measured, Path | None]] = [
        ("bare mmdebstrap, the tree alone", bare_mmdebstrap(pins, folder / "bare"), None)
    ]
    place = folder / "debos"
    place.mkdir()
    made, cost = measure_debos(place, pins.mirrors["archive"], pins.release, pins.asked)
    theirs.append(("debos, stock kernel", cost, made))
    table.add("labwright: tree, system, disk", *costs(ours, image), ratio=1.0)
    for name, measured, disk in theirs:
        table.add(name, *costs(measured, disk), ratio=ours.wall / measured.wall)
    return table


def costs(measured: Measured, image: Path | None) -> tuple[float | None, ...]:
    size = image.stat().st_size / 1e6 if image else None
    return measured.wall, measured.cpu, measured.peak_memory / 1e6, size, ssh_seconds(image) if image else None


def our_stage1(workshop: Workshop, folder: Path) -> tuple[Measured, Path]:
    """With the kernel's outputs in the cache and nothing else: lists and packages are fetched as by the others."""
    for step, facts in report()["steps"].items():
        if step in KERNEL_STEPS:
            source = workshop.paths.store / step / facts["key"]
            shutil.copytree(source, folder / "cache/store" / step / facts["key"])
    words = [sys.executable, "-m", "labwright", "build", "images/debian", "--until", "disk", "--out", folder / "out"]
    measured = measure(words, env={"LABWRIGHT_CACHE": str(folder / "cache")}).checked()
    return measured, next((folder / "cache/store/disk").glob("*/disk.qcow2"))


def bare_mmdebstrap(pins: Pins, folder: Path) -> Measured:
    """The same packages with the same files left out, into a folder."""
    folder.mkdir()
    archive = pins.mirrors["archive"]
    sources = [f"deb {archive} {pins.release} main"]
    if security := pins.mirrors.get("security"):
        sources += [f"deb {archive} {pins.release}-updates main", f"deb {security} {pins.release}-security main"]
    words = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory",
             "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr", f"--include={','.join(pins.asked)}",
             *(f"--dpkgopt=path-exclude={path}" for path in LEAVE_OUT), pins.release, folder / "root",
             *sources]  # fmt: skip
    return measure(words).checked()


def kernels(workshop: Workshop, folder: Path, firecracker: Path) -> Table:
    """Plain make of our configuration and of Firecracker's, on the same source; no ccache on either side."""
    source = workshop.paths.store / "kernel-source" / report()["steps"]["kernel-source"]["key"] / "linux.tar.xz"
    table = Table(("seconds", "CPU seconds", "memory MB", "objects", "bzImage MB"), ratio="time")
    theirs = compile_kernel(source, firecracker, folder / "theirs", default_jobs())
    ours = compile_kernel(source, Path("out/debian-kernel/config"), folder / "mine", default_jobs())
    for name, made in (("Firecracker's guest configuration", theirs), ("labwright's, modules included", ours)):
        cost = made.measured
        table.add(name, cost.wall, cost.cpu, cost.peak_memory / 1e6, made.objects, made.image_bytes / 1e6,
                  ratio=cost.wall / theirs.measured.wall)  # fmt: skip
    return table


def small(workshop: Workshop, folder: Path) -> Table:
    """What is done often: a disk from a finished tree, a build with nothing new."""
    table = Table(("seconds", "floor"), ratio="ratio")
    disk = tree_to_disk(workshop, folder)
    table.add("tree to qcow2; floor: bare qemu-img convert", *disk, ratio=disk[0] / disk[1])
    words = [sys.executable, "-m", "labwright", "build", "images/debian", "--out", "out"]
    floor = median(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
    for name, more in (("mirrors asked", []), ("--offline", ["--offline"])):
        once = functools.partial(subprocess.run, [*words, *more], stdout=subprocess.DEVNULL, check=True)
        seconds = median(once)
        table.add(f"nothing changed, {name}; floor: python -c pass", seconds, floor, ratio=seconds / floor)
    return table


def tree_to_disk(workshop: Workshop, folder: Path) -> tuple[float, float]:
    # By its key: the newest system in the store can be another image's.
    stored = workshop.store.find("system", report()["steps"]["system"]["key"])
    assert stored is not None, "build the image first: make image"
    bench = workshop.runner("bench").workbench(folder, lambda _: None, folder / "log")
    made = folder / "made.qcow2"

    def whole() -> None:
        shutil.rmtree(folder / "root", ignore_errors=True)
        assemble(unpack(stored.folder / "system.tar", bench), made, DiskOptions("bench", 2, 1_700_000_000), bench)

    seconds = median(whole)
    raw = folder / "raw"
    run(["qemu-img", "convert", "-O", "raw", made, raw])
    convert = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd", raw, made]
    return seconds, median(functools.partial(run, convert))


def boots() -> Table:
    """What the build's own boot test saw."""
    facts = report()
    table = Table(("SSH seconds", "login seconds"))
    for firmware, boot in facts["tests"]["boots"].items():
        table.add(f"{firmware}, {facts['tests']['accelerator']['name']}", boot["ssh"], boot["login"])
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--firecracker", type=Path, help="Firecracker's guest configuration, for the kernel's table")
    parser.add_argument("--json", type=Path, default=Path("out/bench.json"), help="where the numbers go")
    wanted = parser.parse_args()
    workshop = Workshop(Paths.from_environment(), hook_manager()[0])
    tables: dict[str, Table] = {}
    with tempfile.TemporaryDirectory(dir=workshop.paths.root.parent, prefix="bench-") as name:
        folder = Path(name)
        (folder / "small").mkdir()
        tables["stage 1 without the kernel"] = stage1(workshop, folder)
        tables["often"] = small(workshop, folder / "small")
        (folder / "convert").mkdir()
        tables["convert"] = measure_convert(Path("out/debian.qcow2"), folder / "convert")
        tables["boot"] = boots()
        if wanted.firecracker:
            tables["kernel"] = kernels(workshop, folder, wanted.firecracker)
    facts = machine()
    print(", ".join(f"{key}: {value}" for key, value in facts.items()))
    for title, table in tables.items():
        print(f"\n## {title}\n\n{table.markdown()}")
    document = {"machine": facts, "tables": {title: table.as_dict() for title, table in tables.items()}}
    wanted.json.parent.mkdir(parents=True, exist_ok=True)
    wanted.json.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    if "kernel" not in tables:
        print("\nno kernel table: --firecracker wants the path of Firecracker's guest configuration", file=sys.stderr)


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
