"""Programs that read what a stranger wrote: limits that the kernel holds them to."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

MEMORY = 4 << 30
"""Bytes of address space; a conversion takes about a fifth of it, most of that for the stacks of its threads."""
OPEN_FILES = 1280
"""A vmdk may be in 1024 pieces."""
SLACK = 64 << 20
"""Bytes that a file may have beside its disk's: headers and tables."""
DAC_OVERRIDE, SETPCAP = 1, 8
"""Of capabilities(7)."""
OUT_OF_LIMITS = {
    -signal.SIGXCPU: "it took more processor time than the limit allows",
    -signal.SIGXFSZ: "more comes out of it than the limit allows",
}
"""The exit codes of programs that the kernel ended for going beyond a limit."""


def limited(largest: int, processor: float) -> list[str]:
    """Arguments before a command that keep it within limits, and as root take from it what it does not need.

    largest: bytes of any file that it writes. processor: seconds.
    """
    words = ["prlimit", f"--as={MEMORY}", f"--cpu={math.ceil(min(processor, 1 << 31))}", f"--fsize={largest}",
             f"--nofile={OPEN_FILES}", "--core=0", "--", "setpriv", "--no-new-privs"]  # fmt: skip
    if os.geteuid() == 0 and _may_drop():
        # It reads and writes others' files as we do, and may do nothing else that root may.
        words += ["--bounding-set=-all,+dac_override", "--inh-caps=-all"]
    return [*words, "--"]


def _may_drop() -> bool:
    """Whether we have the right to take rights away, and the one that is kept: containers may lack either."""
    lines = Path("/proc/self/status").read_text().splitlines()
    ours = int(next(line for line in lines if line.startswith("CapEff:")).split()[1], 16)
    return all(ours >> capability & 1 for capability in (DAC_OVERRIDE, SETPCAP))
