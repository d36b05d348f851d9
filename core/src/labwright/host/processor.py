"""What this host's processor can do: programs of a distribution run on it while its tree is made."""

from __future__ import annotations

from pathlib import Path

LEVELS = (
    frozenset({"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}),
    frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}),
    frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)
"""What x86-64-v2, v3 and v4 have beyond the level before, in the words of /proc/cpuinfo (x86-64 psABI, table 3.1)."""


def model_name() -> str:
    """What this host's processor is called."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def processor_level(cpuinfo: str | None = None) -> int:
    """The level of x86-64 that this host's processor has, 1 to 4. cpuinfo: the text to read it from."""
    text = Path("/proc/cpuinfo").read_text() if cpuinfo is None else cpuinfo
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    flags = frozenset(line.partition(":")[2].split())
    level = 1
    for wanted in LEVELS:
        if not wanted <= flags:
            break
        level += 1
    return level
