"""Root without root: an ordinary user's command runs again as root of a user namespace (user_namespaces(7)).

In there owners can be set and file systems mounted; on the host everything still belongs to the user, or to the
subordinate user ids that the host set aside (subuid(5)). newuidmap(1) of the host maps them; nothing of ours is setuid.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import SEARCH_PATH, environment

WANTED_IDS = 65535
"""Beside root: every id that a Debian system uses, up to nogroup."""

WHOLE = ["0", "0", "4294967295"]
ENTER = ("unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--propagation", "private", "--")
TRIAL = (
    'unshare --mount --propagation private --pid --mount-proc --fork -- sh -c "mount -t tmpfs none /mnt && '
    'touch /mnt/file && chown 65534:65534 /mnt/file"'
)
"""What a build does with its namespace, in small: it sets owners, and mounts /proc for processes of its own."""


def needed() -> bool:
    """Whether we are not root, so that builds need a namespace."""
    return os.geteuid() != 0


def mapped_whole() -> bool:
    """Whether all users of the host are themselves here: not so in a user namespace (user_namespaces(7))."""
    return Path("/proc/self/uid_map").read_text().split() == WHOLE


def enter(arguments: Sequence[str]) -> None:
    """Run labwright with these arguments again as root of a namespace, in place of this process, if we are not root.

    Raises LabwrightError (host) naming what this host lacks for it.
    """
    if needed():
        check()
        _replace(arguments)


def _replace(arguments: Sequence[str]) -> NoReturn:
    unshare = shutil.which("unshare", path=SEARCH_PATH) or "unshare"
    sys.stdout.flush()
    # -P: a folder called labwright where the user stands is not us. PATH: unshare looks newuidmap up in it.
    command = [*ENTER, sys.executable, "-P", "-m", "labwright", *arguments]
    os.execve(unshare, command, os.environ | {"PATH": SEARCH_PATH})  # noqa: S606


def check() -> None:
    """Raise LabwrightError (host) unless a namespace with many users can be made here; says what is missing."""
    for tool, package in (("unshare", "util-linux"), ("newuidmap", "uidmap")):
        if shutil.which(tool, path=SEARCH_PATH) is None:
            raise _lacking(f"{tool} is not installed", f"apt-get install {package}")
    user = user_name(os.geteuid())
    for file in ("/etc/subuid", "/etc/subgid"):
        if subordinate_ids(Path(file), user, os.geteuid()) < WANTED_IDS:
            option = "--add-subuids" if file.endswith("uid") else "--add-subgids"
            remedy = f"usermod {option} 100000-165535 {user} (choose free ids)"
            raise _lacking(f"{file} sets no {WANTED_IDS} ids aside for {user}", remedy)
    done = subprocess.run(
        [*ENTER, "sh", "-c", TRIAL], capture_output=True, encoding="utf-8", errors="replace", check=False,
        env=environment(), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise _lacking(
            f"no namespace can be made: {words[-1] if words else 'unshare failed'}",
            "allow them: sysctl kernel.unprivileged_userns_clone=1 (Debian), "
            "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), user.max_user_namespaces above 0; in a container "
            "/proc must not be masked; unshare must be of util-linux 2.38 or later",
        )


def user_name(number: int) -> str:
    """The user's name; the number for one without an entry, as containers may have."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def subordinate_ids(table: Path, user: str, number: int) -> int:
    """How many ids a user's first range in /etc/subuid or /etc/subgid has (subuid(5)); unshare takes that one."""
    try:
        lines = table.read_text().splitlines()
    except OSError:
        return 0
    ranges = (words for words in (line.split(":") for line in lines) if len(words) == 3 and words[2].isdigit())
    return next((int(count) for owner, _, count in ranges if owner in {user, str(number)}), 0)


def _lacking(what: str, remedy: str) -> LabwrightError:
    return LabwrightError(
        f"without root this needs a user namespace, and {what}", cause=Cause.HOST, hint=f"{remedy}; or run it with sudo"
    )
