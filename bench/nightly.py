"""A night in which nothing changed, of ten images, beside the floor: one start of the program and apt's own answer.

python -m bench.nightly: medians of three. The versions in service are made up, reports with the keys that a build would
have now beside a disk of the size of a real one, since ten builds take an hour; all else is as in a real night.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench.measure import Measured, Table, measure

from labwright import __version__
from labwright.host.files import file_digest
from labwright.host.paths import Paths
from labwright.interfaces import Workbench
from labwright.pipeline.build import Wish, course_of, pins_for, prepared
from labwright.pipeline.deliver import places
from labwright.pipeline.runner import scratch_folder
from labwright.pipeline.stage1 import Recipe
from labwright.pipeline.steps import key_of
from labwright.pipeline.workshop import Workshop, source_date_epoch
from labwright.plugins import hook_manager
from labwright.spec.load import load_image
from labwright_debian.archive import Archive

COUNT, RUNS, DISK = 10, 3, 80_000_000


def describe(folder: Path, number: int) -> Path:
    """An image that differs from the others by a package."""
    place = folder / f"image-{number}"
    place.mkdir(parents=True)
    build = {"type": "debian", "packages": ["tcpdump", "iperf3", "nmap"][: number % 4]}
    facts = {"slug": place.name, "description": "x", "networkInterfaces": [], "build": build}
    (place / "image.meta.yaml").write_text(json.dumps(facts))
    return place


def make_up(description: Path, out: Path, workshop: Workshop) -> None:
    """A version in service that has the keys of a build now. The outputs of its steps are nowhere."""
    spec = load_image(description)
    wish = Wish(spec, description)
    driver, release = prepared(spec)
    pins = pins_for(wish, driver, release, workshop)
    course = course_of(wish, Recipe(spec, driver, release, pins, source_date_epoch()), workshop)
    version = out / "images" / spec.slug / "0001"
    built = places(spec, course, version)
    for folder in filter(None, (version, built.kernel)):
        folder.mkdir(parents=True)
    built.image.write_bytes(os.urandom(1 << 20) * (DISK >> 20))
    if built.files:
        built.files.touch()
    steps: dict[str, dict[str, object]] = {}
    for step in course.steps:
        ingredients = dict(step.options) | {f"step {name}": str(steps[name]["digest"]) for name in step.inputs}
        steps[step.name] = {"key": key_of(step, ingredients), "digest": step.name, "inputs": ingredients, "seconds": 1}
    facts = {"labwright": __version__, "type": spec.build.type, "image": spec.slug, "steps": steps,
             "sha256": file_digest(built.image), "bytes": built.image.stat().st_size,
             **course.privacy.facts()}  # fmt: skip
    built.report.write_text(json.dumps(facts))
    (version.parent / "current").symlink_to(version.name)


def floor(folder: Path, workshop: Workshop, cache: dict[str, str]) -> list[list[Measured]]:
    """The program's start, and apt's lists and answer for one image, in the folders that the night uses."""
    starts = [measure([sys.executable, "-m", "labwright", "--version"], env=cache).checked() for _ in range(RUNS)]
    with scratch_folder(workshop.paths, workshop.ledger) as scratch:
        bench: Workbench = workshop.runner("bench").workbench(scratch, lambda _: None, scratch / "log")
        archive = Archive.of(load_image(folder / "image-0"), "bookworm", bench)
        options = archive.options(bench)
    updates = [measure(["apt-get", *options, "update", "-q"]).checked() for _ in range(RUNS)]
    words = ["-qq", "--print-uris", "install", "--yes", "--no-install-recommends", "apt", "systemd", "openssh-server"]
    answers = [measure(["apt-get", *options, *words]).checked() for _ in range(RUNS)]
    return [starts, updates, answers]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="labwright-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        cache = {"LABWRIGHT_CACHE": str(folder / "cache")}
        workshop = Workshop(Paths(folder / "cache"), hook_manager()[0])
        workshop.paths.ensure()
        for number in range(COUNT):
            make_up(describe(folder / "images", number), folder / "nights", workshop)
        words = [sys.executable, "-m", "labwright", "nightly", folder / "images", "--out", folder / "nights", "--json"]
        first = measure(words, env=cache).checked()
        if set(json.loads(first.output[-1])["images"].values()) != {"unchanged"}:
            raise RuntimeError(f"something was to be built: {first.output[-1]}")
        nights = [measure(words, env=cache).checked() for _ in range(RUNS)]
        parts = floor(folder / "images", workshop, cache)
        least = sum(statistics.median(one.wall for one in part) for part in parts)
        table = Table(("seconds", "CPU seconds", "memory MB"), ratio="time, of the floor")
        cpu = sum(statistics.median(one.cpu for one in part) for part in parts)
        table.add("the floor: one start, apt's lists, apt's answer", least, cpu, None, ratio=1.0)
        table.add(f"labwright nightly, {COUNT} images, the first time", *costs([first]), ratio=first.wall / least)
        table.add(f"labwright nightly, {COUNT} images, nothing changed", *costs(nights), ratio=costs(nights)[0] / least)
        print(table.markdown())


def costs(runs: list[Measured]) -> tuple[float, float, float]:
    middle = sorted(runs, key=lambda one: one.wall)[len(runs) // 2]
    return middle.wall, middle.cpu, middle.peak_memory / 1e6


if __name__ == "__main__":
    main()
