"""qemu-img, told what the file is and kept within limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from labwright.errors import Cause, LabwrightError, os_error
from labwright.foreign.confine import OUT_OF_LIMITS, SLACK, limited
from labwright.foreign.formats import Disk
from labwright.foreign.model import Limits, refusal
from labwright.foreign.source import Ready
from labwright.host.files import beside, sync
from labwright.interfaces import Workbench

PROGRESS = "    ("
"""How qemu-img's lines of progress begin."""
HEARTBEAT = 10.0
"""Seconds between two signs of life where the percentage does not move."""
CHECKED = ("qcow2",)
LOCKED = "Is another process using the image"
CORRUPT = 2
LEAKS = 3
QCOW2 = ("-c", "-O", "qcow2", "-o", "compat=1.1,compression_type=zstd")
RAW = ("-S", "4k", "-O", "raw")
ALL_AT_ONCE = ("-m", "8", "-W")
DAMAGED = "the image is damaged: get it again, or make it again with the program that it comes from"


def convert(ready: Ready, destination: Path, options: Sequence[str], bench: Workbench, limits: Limits) -> None:
    """Convert a disk that was looked at to `destination`, whole or not at all.

    Raises LabwrightError (config, host, disk full, memory); then `destination` is as it was.
    """
    source, disk, name = ready.path, ready.disk, str(ready.found.path)
    if disk.format in CHECKED:
        _check(source, disk, name, bench, limits)
    partial = beside(destination)
    try:
        with bench.ledger.hold("file", partial):
            # So that a place that cannot be written is not taken for an image that cannot be read.
            partial.touch()
            bound = disk.virtual_size + disk.virtual_size // 64 + SLACK
            argv = ["qemu-img", "convert", "-p", *ALL_AT_ONCE, *options, "--image-opts", image_options(source, disk),
                    f"file:{partial.absolute()}"]  # fmt: skip
            _run(argv, name, bound, bench, limits)
            ready.check_unchanged()
            sync(partial)
            partial.replace(destination)
            sync(destination.parent)
    except OSError as error:
        raise os_error(error, f"{destination} cannot be written") from error


def image_options(source: Path, disk: Disk) -> str:
    """How QEMU is to open a file: by this driver, by no other protocol, for reading."""
    path = str(source.absolute()).replace(",", ",,")
    # The size in a vhd's footer, not the rounder one that follows from its cylinders, heads and sectors.
    exact = ",force_size_calc=current_size" if disk.format == "vpc" else ""
    return f"driver={disk.format}{exact},read-only=on,file.driver=file,file.filename={path}"


def _check(source: Path, disk: Disk, name: str, bench: Workbench, limits: Limits) -> None:
    argv = ["qemu-img", "check", "--output=json", "--image-opts", image_options(source, disk)]
    code = _run(argv, name, SLACK, bench, limits, accept=(0, CORRUPT, LEAKS))
    if code == CORRUPT:
        raise refusal(name, "it is corrupt: its tables contradict each other", DAMAGED)


def _run(
    argv: Sequence[str | Path],
    name: str,
    largest: int,
    bench: Workbench,
    limits: Limits,
    accept: tuple[int, ...] = (0,),
) -> int:
    try:
        with _signs_of_life(bench) as heard:
            done = bench.run(
                [*limited(largest, limits.seconds * max(1, bench.jobs)), *argv],
                timeout=limits.seconds,
                accept=(*accept, *OUT_OF_LIMITS),
                what=f"{name} cannot be read as what its header says",
                cause=Cause.CONFIG,
                hint=DAMAGED,
                on_line=heard,
                unlogged=PROGRESS,
            )
    except LabwrightError as error:
        if any(LOCKED in line for line in error.details):
            raise refusal(name, "another program writes to it", "shut down the machine that uses it") from error
        raise
    if done.code in OUT_OF_LIMITS:
        raise refusal(name, OUT_OF_LIMITS[done.code], DAMAGED)
    return int(done.code)


@contextmanager
def _signs_of_life(bench: Workbench) -> Iterator[object]:
    """A listener for qemu-img's lines; what it hears is said, and every few seconds that it still works."""
    started = time.monotonic()
    lock = threading.Lock()
    over = threading.Event()
    shown = "0"

    def say() -> None:
        with lock:
            bench.say(f"converting: {shown} %")

    def hear(line: str) -> None:
        nonlocal shown
        percent = line.strip(" ()").partition(".")[0]
        if line.startswith(PROGRESS) and percent.isdigit() and percent != shown:
            shown = percent
            say()

    def beat() -> None:
        while not over.wait(HEARTBEAT):
            with lock:
                bench.say(f"converting: {shown} %, after {time.monotonic() - started:.0f} s")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield hear
    finally:
        over.set()
        thread.join()
