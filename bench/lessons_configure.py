"""A stage of a hundred endpoints, beside nornir doing the same; three routers at once, beside the slowest one alone.

python -m bench.lessons_configure, as root: sshd and FRR run in network namespaces of their own

Ours is the configurator `python` as a lesson uses it: for each endpoint a fresh copy of the lesson, a process, a log,
a time limit, and all that a script leaves ended with it. Nornir's task is a function in one process, with its threads
tuned; what both do on an endpoint is the same: connect by paramiko, run a command, check its exit status and output.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import paramiko
from bench.measure import Table
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.endpoints import Stage, address, frr_machine, machines, own_network, stage

from labwright.host.ledger import Ledger
from labwright.host.run import run
from labwright.interfaces import Endpoint
from labwright.lesson.configure import Run, configure_stage

RUNS = 3
WORKERS = (8, 16, 32, 64, 100)
SCRIPT = """\
import os

import paramiko

client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect(
    os.environ["ANTIDOTE_TARGET_HOST"],
    username=os.environ["ANTIDOTE_TARGET_USERNAME"],
    password=os.environ["ANTIDOTE_TARGET_PASSWORD"],
    allow_agent=False,
    look_for_keys=False,
)
_, out, _ = client.exec_command("echo configured")
assert out.read() == b"configured\\n"
assert out.channel.recv_exit_status() == 0
client.close()
"""
RunFor = Callable[[Path], Run]


def seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


@contextlib.contextmanager
def plain(addresses: dict[str, str], folder: Path) -> Iterator[tuple[RunFor, Path | None]]:
    """Jobs as children of ours: each starts an interpreter."""
    del addresses, folder
    yield lambda _: run, None


@contextlib.contextmanager
def rooms(addresses: dict[str, str], folder: Path) -> Iterator[tuple[RunFor, Path | None]]:
    """Jobs in rooms, where an interpreter is warm already."""
    import functools
    import importlib

    module = importlib.import_module("labwright.lesson.room")
    with module.open_rooms(addresses, folder / "rooms", Ledger(folder / "ledger")) as opened:
        yield lambda copy: functools.partial(opened.run, lesson=copy), Path("/antidote")


def available() -> Callable[[dict[str, str], Path], contextlib.AbstractContextManager[tuple[RunFor, Path | None]]]:
    """Rooms, where this labwright has them."""
    import importlib.util

    return rooms if importlib.util.find_spec("labwright.lesson.room") else plain


def configure(made: Stage, run_for: RunFor, seen_at: Path | None) -> None:
    """One stage. Raises RuntimeError where an endpoint failed: then nothing was measured."""
    outcomes = configure_stage(made.work(), made.context(run_for=run_for, seen_at=seen_at))
    if wrong := [outcome.sentence for outcome in outcomes if not outcome.ok or outcome.tries > 1]:
        raise RuntimeError("\n".join(wrong[:3]))


def connect_and_check(task: Task) -> Result:
    """Nornir's task: what SCRIPT does."""
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    host = task.host
    client.connect(
        str(host.hostname), username=host.username, password=host.password, allow_agent=False, look_for_keys=False
    )
    _, out, _ = client.exec_command("echo configured")
    assert out.read() == b"configured\n"
    assert out.channel.recv_exit_status() == 0
    client.close()
    return Result(host=host)


def by_nornir(endpoints: Sequence[Endpoint], workers: int) -> float:
    """Seconds of its run alone, without its start."""
    hosts = Hosts({one.name: Host(one.name, one.host, one.port, one.user, one.password) for one in endpoints})
    nornir = Nornir(inventory=Inventory(hosts, Groups(), Defaults()), runner=ThreadedRunner(num_workers=workers))
    started = time.monotonic()
    failed = nornir.run(connect_and_check).failed_hosts
    took = time.monotonic() - started
    if failed:
        raise RuntimeError(str(next(iter(failed.values()))))
    return took


def hundred(count: int) -> Table:
    """One stage of `count` endpoints, both ways in turn."""
    table = Table(("seconds", "endpoints a second"), ratio="throughput, of nornir's")
    with machines() as lab, tempfile.TemporaryDirectory(prefix="labwright-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        endpoints = [
            Endpoint(f"r{number}", address(number), 22, lab.user, lab.password) for number in range(1, count + 1)
        ]
        made = stage(folder, {f"stage0/configs/{one.name}.py": SCRIPT for one in endpoints}, endpoints)
        workers = min(WORKERS, key=lambda number: by_nornir(endpoints, number))
        times: dict[str, list[float]] = {}
        with contextlib.ExitStack() as stack:
            ways = {
                way.__name__: stack.enter_context(way({one.name: one.host for one in endpoints}, folder))
                for way in dict.fromkeys((plain, available()))
            }
            for _ in range(RUNS):
                times.setdefault("nornir", []).append(by_nornir(endpoints, workers))
                for way, (run_for, seen_at) in ways.items():
                    took = seconds(lambda a=run_for, b=seen_at: configure(made, a, b))
                    times.setdefault(f"labwright, {way}", []).append(took)
        floor = statistics.median(times["nornir"])
        for way, found in times.items():
            middle = statistics.median(found)
            words = f"nornir, {workers} threads" if way == "nornir" else way
            table.add(f"{words}, {count} endpoints", middle, count / middle, ratio=floor / middle)
    return table


def three_routers() -> Table:
    """Each router alone, then all three at once; each time a route that is new."""
    table = Table(("seconds",), ratio="time, of the slowest alone")
    with contextlib.ExitStack() as stack:
        endpoints = [stack.enter_context(frr_machine(f"r{number}"))[1] for number in (1, 2, 3)]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labwright-bench-", dir="/var/tmp")))
        run_for, seen_at = stack.enter_context(available()({one.name: one.host for one in endpoints}, folder))
        routes = iter(range(1, 1000))

        def take(*some: Endpoint) -> float:
            route = f"ip route 203.0.113.{next(routes)}/32 Null0\n"
            files = {f"stage0/configs/{one.name}-frr.txt": route for one in some}
            made = stage(folder, files, list(some), **{one.name: "napalm" for one in some})
            return seconds(lambda: configure(made, run_for, seen_at))

        take(*endpoints)
        alone = [[take(one) for _ in range(RUNS)] for one in endpoints]
        together = statistics.median(take(*endpoints) for _ in range(RUNS))
        slowest = max(statistics.median(found) for found in alone)
        for endpoint, found in zip(endpoints, alone, strict=True):
            table.add(f"{endpoint.name} alone", statistics.median(found), unit="s")
        table.add("all three at once", together, unit="s", ratio=together / slowest)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=100)
    count = parser.parse_args().endpoints
    # paramiko says there what its exceptions say as well.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    ConnectionPluginRegister.auto_register()
    with own_network():
        print(hundred(count).markdown(), end="\n\n")
        print(three_routers().markdown())


if __name__ == "__main__":
    main()
