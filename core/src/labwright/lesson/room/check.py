"""Whether rooms can be made on this host."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import environment, find_tool
from labwright.lesson.room.places import python_variables

SECONDS = 60.0
NAMESPACES = (
    "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 (Debian), "
    "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), user.max_user_namespaces above 0; or run it with sudo"
)


def check() -> None:
    """Make a room in namespaces like a lab's, as whoever we are. Raises LabwrightError (host): reason and remedy."""
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = [find_tool("unshare"), *own, "--net", "--", sys.executable, "-P", "-m", "labwright.lesson.room.trial"]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=SECONDS,
            env=environment(python_variables()), stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise LabwrightError("a room for lessons is not made within a minute", cause=Cause.HOST,
                             hint="is the machine overloaded? try again") from error  # fmt: skip
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise LabwrightError(f"no rooms for lessons can be made: {lines[-1] if lines else 'unshare failed'}",
                             cause=Cause.HOST, details=lines[-5:], hint=NAMESPACES)  # fmt: skip
    if done.stdout:
        found = json.loads(done.stdout)
        raise LabwrightError(found["what"], cause=Cause.HOST, details=found["details"], hint=found["hint"])
