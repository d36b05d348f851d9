"""What a machine writes to its serial port: evidence of how far it got. It comes from a guest, so it is hostile."""

from __future__ import annotations

import re
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.text import plain
from labwright.vm.machine import Running

LARGEST = 4 * 1024 * 1024
LOGIN = re.compile(r"login: ?$", re.MULTILINE)


def read_console(machine: Running) -> str:
    """What was written so far, at most the last 4 MiB, without control sequences."""
    return read_log(machine.console)


def read_log(console: Path) -> str:
    """As read_console, of the file itself."""
    try:
        with console.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - LARGEST))
            return plain(stream.read().decode(errors="replace"))
    except FileNotFoundError:
        return ""


def last_lines(machine: Running, count: int = 12) -> list[str]:
    """The last lines that are not empty; QEMU's own words if it has died."""
    lines = [line.rstrip()[:200] for line in read_console(machine).splitlines() if line.strip()]
    if not machine.running:
        words = machine.complaints.read_text(errors="replace").splitlines()
        lines += [f"QEMU: {plain(line)}" for line in words[-3:]]
        lines.append(f"QEMU ended with exit code {machine.process.returncode}")
    return lines[-count:]


def guest_error(machine: Running, what: str, hint: str) -> LabwrightError:
    """An error of the guest with the end of its console as evidence."""
    lines = last_lines(machine) or ["(the console is empty)"]
    return LabwrightError(what, cause=Cause.GUEST, details=lines, hint=hint)
