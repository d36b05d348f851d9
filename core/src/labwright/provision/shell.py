"""A disk entered by hand."""

from __future__ import annotations

import os
import pty
import time
from collections.abc import Sequence
from pathlib import Path

from labwright.guest.appliance import settings
from labwright.guest.guest import Answer
from labwright.guest.mounted import MountedGuest
from labwright.guest.way import APPLIANCE
from labwright.host.environment import environment, find_tool
from labwright.host.teardown import MARK_VARIABLE
from labwright.interfaces import Workbench
from labwright.provision.enter import enter_disk
from labwright.vm.accelerator import kvm_works


def ask_in(disk: Path, method: str, partition: int | None, command: Sequence[str], bench: Workbench) -> Answer:
    """Run one command in the system."""
    with enter_disk(disk, method, partition, bench, fresh=False) as guest:
        return guest.execute(command)


def shell_in(disk: Path, method: str, partition: int | None, bench: Workbench) -> int:
    """A shell on the user's terminal, as root in the system; its exit code."""
    if method == APPLIANCE:
        find_tool("virt-rescue")
        kvm, _ = kvm_works(bench)
        command = ["virt-rescue", "--format=raw", "--add", str(disk), "--inspector"]
        return _on_terminal(command, settings(kvm, bench), bench)
    with enter_disk(disk, method, partition, bench, fresh=False) as guest:
        assert isinstance(guest, MountedGuest), "the only other way in"
        return _on_terminal(
            [*guest.enter(), "sh", "-l"], {"HOME": "/root", "TERM": os.environ.get("TERM", "dumb")}, bench
        )


def _on_terminal(command: list[str], more: dict[str, str], bench: Workbench) -> int:
    """On a terminal of its own: what runs in there could type into ours (TIOCSTI of ioctl_tty(2))."""
    mark = f"shell-{os.getpid()}-{time.monotonic_ns()}"
    settings = environment(more) | {MARK_VARIABLE: mark}
    with bench.ledger.hold("process", mark):
        words = ["env", "-i", *(f"{name}={value}" for name, value in settings.items()), *command]
        return os.waitstatus_to_exitcode(pty.spawn(words))
