"""The lab's own network: loopback and nothing else, on which its machines answer on the ports that they really have.

So every endpoint has its port 22, as scripts expect, nothing of a lab can reach the internet or be reached from it, and
two labs never meet. It is made without root: in a user namespace we are root of the network (user_namespaces(7)).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import SEARCH_PATH, environment, find_tool
from labwright.host.run import run
from labwright.lesson.lab import Lab

DOORS = "LABWRIGHT_LAB_DOORS"
"""Descriptors of the host's listening sockets, handed on to the process in the lab's network."""
NEW = ("unshare", "--user", "--map-root-user", "--net", "--")


def listening_sockets(count: int) -> list[socket.socket]:
    """Sockets that listen on ports of the host's loopback, whichever are free."""
    made = []
    for _ in range(count):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        made.append(listener)
    return made


def inherited_doors() -> tuple[int, ...]:
    """The descriptors that the process outside gave us."""
    return tuple(int(word) for word in os.environ.get(DOORS, "").split(",") if word)


def in_new_network() -> bool:
    """Whether this process was started by enter_new()."""
    return DOORS in os.environ


def enter_new(doors: Sequence[socket.socket]) -> NoReturn:
    """Run this command again, in place of this process, in a network of its own. Raises LabwrightError (host)."""
    done = subprocess.run([*NEW, "true"], capture_output=True, text=True, check=False, env=environment(),
                          stdin=subprocess.DEVNULL)  # fmt: skip
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise LabwrightError(
            f"no network can be made for a lab: {said[-1] if said else 'unshare failed'}",
            cause=Cause.HOST,
            hint="allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 (Debian), "
            "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), user.max_user_namespaces above 0",
        )
    for door in doors:
        door.set_inheritable(True)
    _replace([*NEW], {DOORS: ",".join(str(door.fileno()) for door in doors)})


def loopback_up() -> None:
    """A new network's loopback is down at first."""
    run(["ip", "link", "set", "dev", "lo", "up"], what="the lab's loopback does not come up")


def inside(lab: Lab) -> bool:
    """Whether we are in the lab's network."""
    return _network(os.getpid()) == _network(lab.keeper)


def enter(lab: Lab) -> None:
    """Run this command again in the network of a lab that is up, unless we are there. Raises LabwrightError (host)."""
    if not inside(lab):
        _replace(["nsenter", "--target", str(lab.keeper), "--user", "--net", "--preserve-credentials", "--"], {})


def _network(process: int) -> str:
    try:
        return str(Path(f"/proc/{process}/ns/net").readlink())
    except OSError as error:
        raise LabwrightError(
            f"the lab's network cannot be looked at: {error.strerror}",
            cause=Cause.HOST,
            hint="it belongs to the user who started the lab: be that user",
        ) from error


def _replace(prefix: list[str], more: dict[str, str]) -> NoReturn:
    tool = shutil.which(prefix[0], path=SEARCH_PATH) or find_tool(prefix[0])
    sys.stdout.flush()
    # -P: a folder called labwright where the user stands is not us.
    command = [*prefix, sys.executable, "-P", "-m", "labwright", *sys.argv[1:]]
    os.execve(tool, command, os.environ | {"PATH": SEARCH_PATH} | more)  # noqa: S606
