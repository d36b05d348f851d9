"""Renders a second of the kit, for every system, beside a bare Jinja2 template that makes the same text.

python -m bench.kit; the target is 2,000 a second
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import jinja2
from bench.measure import Table, machine

from labwright.kit import SYSTEMS, Node, node, render

SECONDS = 0.3
RUNS = 3
TARGET = 2000
PLACE = "@@{}@@"


def model() -> Node:
    """A router of a lesson: a loopback, four interfaces, three neighbours, an OSPF area."""
    return node({
        "hostname": "hub",
        "interfaces": [
            {"loopback": 0, "ipv4": ["10.255.0.1/32"]},
            *({"index": n, "ipv4": [f"10.0.{n}.1/30"], "ipv6": [f"2001:db8:{n}::1/64"], "description": f"to spoke {n}"}
              for n in range(1, 5)),
        ],
        "bgp": {"as": 65000, "networks": ["10.255.0.1/32"], "neighbors": [
            {"peer": f"10.0.{n}.2", "remote_as": 65000 + n, "description": f"spoke {n}"} for n in range(1, 4)]},
        "ospf": {"areas": {"0": {"interfaces": [1, 2, 3, 4], "loopbacks": [0]}}},
    })  # fmt: skip


def rate(work: Callable[[], object]) -> float:
    """How often a second of our own time, the median of some runs: other work on the machine is not in it."""
    found = []
    for _ in range(RUNS):
        started, count = time.process_time(), 0
        while time.process_time() - started < SECONDS:
            work()
            count += 1
        found.append(count / (time.process_time() - started))
    return statistics.median(found)


def bare(text: str) -> Callable[[], str]:
    """A compiled template of the same size that only fills in a value on each line, with no model and no checks."""
    lines = text.splitlines(keepends=True)
    values = {f"v{number}": line.rsplit(" ", 1)[-1].strip() for number, line in enumerate(lines)}
    source = "".join(
        line.replace(value, f"{{{{ {name} }}}}", 1) if value and "{" not in line else line
        for line, (name, value) in zip(lines, values.items(), strict=True)
    )
    template = jinja2.Environment(keep_trailing_newline=True, autoescape=False).from_string(source)
    return lambda: template.render(values)


def main() -> None:
    print(" ".join(f"{key}={value}" for key, value in machine().items()), "\n")
    what = model()
    table = Table(("renders/s", "bare Jinja2/s", "bytes"), ratio="time, of bare Jinja2")
    slowest = float("inf")
    for system in SYSTEMS:
        found = render(what, system)
        text = found if isinstance(found, str) else "".join(found.values())
        ours, theirs = rate(lambda system=system: render(what, system)), rate(bare(text))
        slowest = min(slowest, ours)
        table.add(system, ours, theirs, len(text), ratio=theirs / ours)
    print(table.markdown(), f"\n\nslowest: {slowest:.0f} renders/s; target {TARGET}")


if __name__ == "__main__":
    main()
