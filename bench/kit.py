"""What it costs to render the model of a node in each system's syntax, beside a bare Jinja2 template of the same text.

python -m bench.kit
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bench.measure import Table
from jinja2 import Environment

from labwright.kit import SYSTEMS, node, render

RUNS, SECONDS = 5, 0.2
TARGET = 2000
ROUTER = {
    "hostname": "r1",
    "interfaces": [
        *({"index": index, "description": f"to r{index}", "ipv4": [f"10.0.{index}.1/30"]} for index in range(1, 5)),
        {"loopback": 0, "ipv4": ["10.1.1.1/32"]},
    ],
    "bgp": {
        "as": 65000,
        "neighbors": [{"peer": f"10.0.{index}.2", "remote_as": 65000 + index} for index in range(1, 5)],
        "networks": ["10.1.1.1/32"],
    },
    "ospf": {"areas": {"0": {"interfaces": [1, 2], "loopbacks": [0]}}},
}


def rate(work: Callable[[], object]) -> float:
    """How often a second, the median of some runs."""
    rates = []
    for _ in range(RUNS):
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < SECONDS:
            work()
            count += 1
        rates.append(count / (time.perf_counter() - started))
    return statistics.median(rates)


def bare(text: str) -> Callable[[], str]:
    """A template with every fourth word a variable: what a renderer that checks nothing would do."""
    words = text.split(" ")
    values = {f"v{index}": word for index, word in enumerate(words) if index % 4 == 3}
    source = " ".join(f"{{{{ v{index} }}}}" if index % 4 == 3 else word for index, word in enumerate(words))
    template = Environment(autoescape=False).from_string(source)
    return lambda: template.render(values)


def rendering() -> Table:
    """Each system."""
    table = Table(("renders a second", "a bare Jinja2 template of its size"), ratio=f"of the target, {TARGET}")
    model = node(ROUTER)
    for system in SYSTEMS:
        said = render(model, system)
        text = said if isinstance(said, str) else "".join(said.values())
        ours, peer = rate(lambda system=system: render(model, system)), rate(bare(text))
        table.add(system, round(ours), round(peer), ratio=ours / TARGET)
    return table


if __name__ == "__main__":
    print(rendering().markdown())
