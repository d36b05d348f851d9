"""Commits of napalm_frr beside bare frr-reload.py: the same change of the same file on the same router.

python -m bench.napalm_frr, as root: it starts FRR in a network namespace of its own
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.measure import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.frr.routers import LEFT, Router, router

from napalm_frr import FRRDriver

RUNS = 7
RELOAD = "/usr/lib/frr/frr-reload.py"
ROUTE = "ip route 203.0.113.{}/32 Null0\n"


def seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def filler(prefixes: int) -> str:
    """A configuration of some size, as FRR shows it."""
    return "".join(
        f"ip prefix-list P seq {5 * n} permit 10.{n // 256}.{n % 256}.0/24\n" for n in range(1, prefixes + 1)
    )


def bare(one: Router, file: Path) -> float:
    """As an administrator would do it: write the file, reload, and frr-reload.py saves."""
    words = [RELOAD, "--vty_socket", one.sockets, "--confdir", one.config, "--rundir", one.sockets, "--reload", file]
    return seconds(lambda: one.execute(*words))


def replaced(driver: FRRDriver, file: Path) -> float:
    """All that a caller pays: load with its check, commit with its verification, save."""
    return seconds(lambda: (driver.load_replace_candidate(filename=str(file)), driver.commit_config()))


def merged(driver: FRRDriver, text: str) -> float:
    return seconds(lambda: (driver.load_merge_candidate(config=text), driver.commit_config()))


def commits(one: Router, prefixes: int) -> Table:
    """Each way makes the same change each time: one static route more, then that one for another."""
    table = Table(("seconds", "least", "most"), ratio="time, of bare frr-reload.py")
    file = one.folder / "candidate"
    times: dict[str, list[float]] = {"frr-reload.py --reload": [], "napalm_frr, replace": [], "napalm_frr, merge": []}
    with FRRDriver("localhost", "", "", optional_args=one.optional_args) as driver:
        driver.load_merge_candidate(config=LEFT + filler(prefixes))
        driver.commit_config()
        base = driver.get_config()["running"]
        for number in range(RUNS):
            for offset, (way, found) in enumerate(times.items()):
                route = ROUTE.format(number * 3 + offset)
                file.write_text(base.replace("!\n", f"!\n{route}", 1))
                if way.endswith("--reload"):
                    found.append(bare(one, file))
                elif way.endswith("replace"):
                    found.append(replaced(driver, file))
                else:
                    found.append(merged(driver, route))
    floor = statistics.median(times["frr-reload.py --reload"])
    for way, found in times.items():
        middle = statistics.median(found)
        table.add(f"{way}, {prefixes} prefix-list lines", middle, min(found), max(found), ratio=middle / floor)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prefixes", type=int, nargs="*", default=[0, 1000])
    for prefixes in parser.parse_args().prefixes:
        with router() as one:
            one.execute("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth2")
            print(commits(one, prefixes).markdown(), end="\n\n")


if __name__ == "__main__":
    main()
