"""What a command costs: wall time, CPU time and memory of all that it starts; a table and a machine to say it with."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from bench.processes import adopted

from labwright.host.environment import environment, find_tool

TAIL_BYTES, TAIL_LINES = 8192, 40


@dataclass(frozen=True)
class Measured:
    """What a command cost. wall, cpu: seconds; cpu is user and system. peak_memory: bytes. output: its last lines."""

    argv: tuple[str, ...]
    wall: float
    cpu: float
    peak_memory: int
    output: tuple[str, ...]
    code: int

    def checked(self) -> Measured:
        """Itself. Raises RuntimeError with the last lines when the command failed."""
        if self.code:
            raise RuntimeError("\n".join([f"{self.argv[0]} ended with code {self.code}", *self.output[-12:]]))
        return self


def measure(
    argv: Sequence[str | Path],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 3600,
) -> Measured:
    """Run a command to its end and measure it with all that it starts, whatever session or parent that moves to.

    env: added to the clean environment that labwright's own children get.

    wall: until the command itself has ended. What it left running is ended then.

    cpu: of every process that ended and was waited for, by its parent or, where that was gone, by us. Not in it:
    children of a process that ignores SIGCHLD (the kernel forgets their times), what daemons that ran before did for
    the command, and the kernel's own threads.

    peak_memory: the highest sum of the processes' proportional set sizes that was seen, looking four times a second; a
    shorter peak is missed. Where that may not be read, the resident set size, which counts shared pages more than once.
    Pages shared with others, such as the interpreter that measures, count in part. The page cache and files in a tmpfs
    are not in it.

    Nothing else may start or wait for children in this process meanwhile. Raises subprocess.TimeoutExpired; then, as
    on Ctrl-C, all that was started is ended first.
    """
    words = tuple(str(word) for word in argv)
    for tool in ("setpriv", words[0]):
        find_tool(tool)
    with tempfile.TemporaryFile() as output:
        with adopted() as family:
            started = time.monotonic()
            # SIGTERM, where labwright's own children get SIGKILL: a builder that is measured has things to take down.
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", *words],
                cwd=cwd,
                env=environment(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                ended = family.watch(process.pid, started + timeout)
            finally:
                # It is waited for by the family, which Popen cannot know.
                process.returncode = -signal.SIGKILL
        tail = _tail(output)
    if ended is None:
        raise subprocess.TimeoutExpired(list(words), timeout, "\n".join(tail))
    return Measured(words, ended - started, family.cpu, family.peak, tail, family.codes[process.pid])


def _tail(output: IO[bytes]) -> tuple[str, ...]:
    output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL_BYTES))
    return tuple(output.read().decode(errors="replace").splitlines()[-TAIL_LINES:])


@dataclass(frozen=True)
class Row:
    """One line of a table. values: one a column, None where there is none. ratio: of what to what, the table says."""

    name: str
    values: tuple[float | None, ...]
    unit: str = ""
    ratio: float | None = None


@dataclass
class Table:
    """Measurements side by side. columns: the names of the values. ratio: the heading of the ratios."""

    columns: tuple[str, ...]
    ratio: str = "ratio"
    rows: list[Row] = field(default_factory=list)

    def add(self, name: str, *values: float | None, unit: str = "", ratio: float | None = None) -> None:
        """One more row. Raises ValueError when it has not one value a column."""
        if len(values) != len(self.columns):
            raise ValueError(f"{name}: {len(values)} values for {len(self.columns)} columns")
        self.rows.append(Row(name, values, unit, ratio))

    def markdown(self) -> str:
        """A table whose columns line up as plain text too; names to the left, numbers to the right."""
        lines = [("what", *self.columns, self.ratio)]
        for row in self.rows:
            unit = f" {row.unit}" if row.unit else ""
            values = ["" if value is None else f"{digits(value)}{unit}" for value in row.values]
            lines.append((row.name, *values, "" if row.ratio is None else f"{digits(row.ratio)} x"))
        widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        padded = [
            [line[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))]
            for line in lines
        ]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in [padded[0], rule, *padded[1:]])

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with the numbers as they were measured."""
        rows = [
            {
                "name": row.name,
                "values": dict(zip(self.columns, row.values, strict=True)),
                "unit": row.unit,
                self.ratio: row.ratio,
            }
            for row in self.rows
        ]
        return {"columns": list(self.columns), "rows": rows}


def digits(value: float) -> str:
    """As many decimals as a measurement on a shared machine deserves."""
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"


def machine() -> dict[str, str | int]:
    """The machine that measures, without names and paths: two runs are compared only where this is the same."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": memory >> 20,
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "distribution": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "python": platform.python_version(),
    }
