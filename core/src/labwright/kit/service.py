"""Services of systemd: what is started is up, and stays up, or the journal says why not."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from labwright.errors import Cause
from labwright.host.clock import Deadline
from labwright.kit.errors import KitError, last_lines

if TYPE_CHECKING:
    from labwright.kit.host import Host

NAME = re.compile(r"[A-Za-z0-9:_.@-]{1,200}")
PROPERTIES = ("ActiveState", "SubState", "Result", "Type", "LoadState", "InvocationID", "UnitFileState")
LINES = "12"


class Service:
    """One unit of a machine. Every method raises KitError with the last lines of the unit's journal."""

    def __init__(self, host: Host, name: str) -> None:
        if not NAME.fullmatch(name) or name.startswith("-"):
            raise KitError(f"{name!r} is not the name of a service", cause=Cause.CONFIG)
        self._host = host
        self.name = name

    def restart(self, timeout: float = 60.0, stays: float = 1.0) -> None:
        """Start it anew, and wait until it is up and has stayed so. timeout, stays: seconds."""
        self._do("restart", timeout, stays)

    def start(self, timeout: float = 60.0, stays: float = 1.0) -> None:
        """Start it unless it runs, and wait until it is up and has stayed so."""
        self._do("start", timeout, stays)

    def reload(self, timeout: float = 60.0, stays: float = 1.0) -> None:
        """Have it read its configuration, by a restart where it cannot; it must still be up afterwards."""
        self._do("reload-or-restart", timeout, stays)

    def stop(self, timeout: float = 60.0) -> None:
        """End it."""
        self._systemctl("stop", timeout)

    def enable(self) -> bool:
        """Have it start with the machine; whether that is new."""
        if self.state()["UnitFileState"] == "enabled":
            return False
        self._systemctl("enable", 60.0)
        return True

    def wait(self, timeout: float = 60.0, stays: float = 1.0) -> None:
        """Until it is up and the same process has stayed so for a while; a oneshot, until it has succeeded."""
        deadline = Deadline(timeout)
        before, since = "", 0.0
        while True:
            # An answer may come late, and says nothing of the time that it took.
            asked = deadline.passed
            state = self.state()
            if state["LoadState"] == "not-found":
                raise KitError(f"{self._host.name} has no service {self.name}")
            if state["Type"] == "oneshot" and state["ActiveState"] == "inactive" and state["Result"] == "success":
                return
            up = state["ActiveState"] == "active"
            if not up or state["InvocationID"] != before:
                before, since = (state["InvocationID"] if up else ""), deadline.passed
            elif asked - since >= stays:
                return
            said = f"{state['ActiveState']} ({state['SubState']})"
            if state["ActiveState"] == "failed":
                raise self._failure(f"{self.name} has failed on {self._host.name}: {state['Result']}")
            if deadline.expired:
                raise self._failure(f"{self.name} is {said} on {self._host.name} after {timeout:.3g} s")
            time.sleep(0.2)

    def state(self) -> dict[str, str]:
        """What systemd says of it: ActiveState, SubState and so on (systemctl(1), show)."""
        words = ["systemctl", "show", "--property", ",".join(PROPERTIES), "--", self.name]
        answer = self._host.run(words)
        found = dict(line.split("=", 1) for line in answer.output.splitlines() if "=" in line)
        return {name: found.get(name, "") for name in PROPERTIES}

    def _do(self, verb: str, timeout: float, stays: float) -> None:
        deadline = Deadline(timeout)
        # Who goes through stages quickly starts a service more often than its unit allows: FRR's thrice in 3 minutes.
        self._host.sudo(["systemctl", "reset-failed", "--", self.name], check=False)
        self._systemctl(verb, timeout)
        self.wait(max(deadline.left, stays + 1), stays)

    def _systemctl(self, verb: str, timeout: float) -> None:
        answer = self._host.sudo(["systemctl", verb, "--", self.name], check=False, timeout=timeout)
        if answer.code:
            said = " ".join(last_lines(answer.output, answer.errors)[:1])
            raise self._failure(f"{self.name} could not {verb} on {self._host.name}: {said}")

    def _failure(self, what: str) -> KitError:
        # What it said last may still be on its way to the journal.
        self._host.sudo(["journalctl", "--sync"], check=False)
        words = ["journalctl", "--unit", self.name, "--lines", LINES, "--no-pager", "--output", "cat"]
        journal = self._host.sudo(words, check=False)
        return KitError(what, details=last_lines(journal.output), hint=f"journalctl -u {self.name} there has the rest")
