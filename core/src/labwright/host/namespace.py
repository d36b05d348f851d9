"""Root in a user namespace, for ordinary users: owners in a tree are right, and nothing outside can be touched.

The host lends a range of user ids to each of its users (subuid(5)); newuidmap, of the host's uidmap package, maps them.
In there a build is the same as root's: it unpacks, sets owners, mounts in namespaces of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import environment, find_tool

ENTER = ("unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--propagation", "private")
REMEDY = (
    "apt-get install uidmap; the user needs a line in /etc/subuid and one in /etc/subgid (usermod --add-subuids "
    "100000-165535 --add-subgids 100000-165535 USER); Ubuntu: sysctl kernel.apparmor_restrict_unprivileged_userns=0; "
    "or run it with sudo"
)


def why_not() -> str:
    """Why this user cannot become root in a namespace; empty if it can. Tries it."""
    find_tool("unshare")
    done = subprocess.run(
        # A second id besides root's is what tells a whole range from root alone.
        [*ENTER, "--", "sh", "-c", "test $(wc -l < /proc/self/uid_map) -ge 2"],
        capture_output=True, encoding="utf-8", errors="replace", env=environment(), check=False, timeout=30,
    )  # fmt: skip
    if done.returncode == 0:
        return ""
    words = [line for line in done.stderr.splitlines() if line.strip()]
    return words[-1] if words else "no range of user ids is mapped"


def become_root(arguments: Sequence[str]) -> None:
    """As an ordinary user, run labwright with these arguments anew as root in a namespace: then this does not return.

    Nothing happens for root. Raises LabwrightError (host) when the host does not allow it, with what it lacks.
    """
    if os.geteuid() == 0:
        return
    if reason := why_not():
        raise LabwrightError(
            f"this needs root, or a namespace in which {os.environ.get('USER', 'this user')} is root: {reason}",
            cause=Cause.HOST,
            hint=REMEDY,
        )
    sys.stdout.flush()
    sys.stderr.flush()
    words = [*ENTER, "--", sys.executable, "-m", "labwright", *arguments]
    os.execve(find_tool("unshare"), words, dict(os.environ))
