"""labwright convert beside bare qemu-img convert with the same options, on the same file.

    python -m bench.convert IMAGE

A packed image would measure Python's decompressors instead.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.measure import Table

from labwright.foreign import identify, to_qcow2
from labwright.foreign.qemu import ALL_AT_ONCE, QCOW2
from labwright.host.ledger import Ledger
from labwright.host.run import run
from labwright.interfaces import Workbench

RUNS = 5


def measure_convert(image: Path, folder: Path) -> Table:
    """image: not packed. By turns, so that both see the same mood of the machine; the table has medians."""
    found = identify(image)
    bench = Workbench(run, folder, folder, Ledger(folder / "ledger"), lambda _: None, 0, 2)
    bare = ["qemu-img", "convert", *ALL_AT_ONCE, *QCOW2, "-f", found.format, image, folder / "bare.qcow2"]
    command = [sys.executable, "-m", "labwright", "convert", "--force", image, folder / "command.qcow2"]
    ways: dict[str, Callable[[], object]] = {
        "bare qemu-img convert, the same options": lambda: run(bare),
        "labwright: looked at, checked, confined": lambda: to_qcow2(image, folder / "ours.qcow2", bench),
        "labwright convert, the whole command": lambda: run(command),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(RUNS):
        for name, way in ways.items():
            started = time.monotonic()
            way()
            seconds[name].append(time.monotonic() - started)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    floor = next(iter(medians.values()))
    table = Table(("seconds",))
    for name, value in medians.items():
        table.add(name, value, ratio=value / floor)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path, help="a disk image of any format")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(measure_convert(parser.parse_args().image, Path(folder)).markdown())


if __name__ == "__main__":
    main()
