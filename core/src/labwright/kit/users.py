"""Users of a machine and the keys that let them in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labwright.errors import Cause
from labwright.kit.errors import KitError

if TYPE_CHECKING:
    from labwright.kit.host import Host

NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
SHELL = re.compile(r"(/[A-Za-z0-9._-]+)+")
KEY = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}( [^\x00-\x1f\x7f]*)?")
"""A line of authorized_keys without options (sshd(8)), which would be a way to run commands."""


def user(host: Host, name: str, password: str | None, groups: Sequence[str], shell: str) -> bool:
    """There is such a user; whether anything has changed. Raises KitError."""
    for each in (name, *groups):
        if not NAME.fullmatch(each):
            raise KitError(f"{each!r} is not the name of a user or group", cause=Cause.CONFIG)
    if not SHELL.fullmatch(shell):
        raise KitError(f"{shell!r} is not the path of a shell", cause=Cause.CONFIG)
    if password is not None and (not password or re.search(r"[\x00-\x1f\x7f]", password)):
        raise KitError("a password is not empty and has no control characters", cause=Cause.CONFIG)
    answer = host.root_script("user", name, shell, *groups, stdin=(password or "").encode())
    return answer.output.strip() == "changed"


def keys(host: Host, name: str, keys: Sequence[str]) -> bool:
    """These keys let the user in; whether anything has changed. Raises KitError."""
    lines = [key.strip() for key in keys]
    for number, line in enumerate(lines, 1):
        if not KEY.fullmatch(line):
            secret = "PRIVATE KEY" in line
            raise KitError(
                f"key {number} of {name} is not a public key", cause=Cause.CONFIG,
                hint="that is the private one: give the .pub file's line" if secret else "give the .pub file's line",
            )  # fmt: skip
    if not NAME.fullmatch(name):
        raise KitError(f"{name!r} is not the name of a user", cause=Cause.CONFIG)
    if not lines:
        return False
    answer = host.root_script("keys", name, stdin="".join(f"{line}\n" for line in lines).encode())
    return answer.output.strip() == "changed"
