"""Which way into a guest: what the user asks for, or what this host and the trust in the disk allow."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import has_kernel, has_tool
from labwright.host.namespace import mapped_whole

AUTO = "auto"
MOUNTED, APPLIANCE, BOOTED, VIRT_CUSTOMIZE = "mounted", "appliance", "booted", "virt-customize"
METHODS = (MOUNTED, APPLIANCE, BOOTED, VIRT_CUSTOMIZE)


@dataclass(frozen=True)
class Way:
    """A way in, and why this one. chosen: by us, so that another may be taken where the disk does not suit it."""

    method: str
    why: str
    chosen: bool


def choose_way(asked: str, ways: Sequence[str], vouched: bool) -> Way:
    """The way in. ways: the driver's, best first; vouched: whether the user answers for the disk's content.

    Entering a tree that is mounted here runs its programs as root on this host, so a disk that nobody vouches for is
    not entered that way by itself. Raises LabwrightError (config, host) where the way that was asked for is not there.
    """
    lacks = {MOUNTED: lacks_mounting(), APPLIANCE: lacks_appliance(), VIRT_CUSTOMIZE: lacks_virt_customize()}
    if asked != AUTO:
        if asked not in ways:
            raise LabwrightError(
                f"this type of image has no way in called {asked!r}",
                cause=Cause.CONFIG,
                hint=f"--method takes auto or one of: {', '.join(ways)}",
            )
        if lack := lacks.get(asked, ""):
            raise LabwrightError(f"--method {asked} cannot be used here: {lack}", cause=Cause.HOST, hint=HINT)
        return Way(asked, "asked for", chosen=False)
    reasons: list[str] = []
    for method in ways:
        lack = lacks.get(method, "")
        if method == MOUNTED and not vouched and not lack:
            lack = "its programs would run as root on this host, and build.sha256 does not vouch for the disk"
        if not lack:
            reasons.append("the first of the ways that can be used here" if not reasons else f"{method} can be used")
            return Way(method, "; ".join(reasons), chosen=True)
        reasons.append(f"not {method}: {lack}")
    raise LabwrightError("there is no way into the image here", cause=Cause.HOST, details=reasons, hint=HINT)


HINT = "labwright doctor says what this host lacks and how to mend it"


def lacks_mounting() -> str:
    """What this host lacks for mounting a disk; empty for nothing."""
    if os.geteuid() != 0 or not mapped_whole():
        return "only root may mount a disk"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    missing = [tool for tool in ("capsh", "nsenter", "losetup") if not has_tool(tool)]
    return f"{missing[0]} is not installed" if missing else ""


def lacks_appliance() -> str:
    """What this host lacks for the libguestfs appliance."""
    if importlib.util.find_spec("guestfs") is None:
        return "this Python has no module guestfs"
    return "" if has_kernel() else "there is no kernel in /boot that it could start with"


def lacks_virt_customize() -> str:
    """What this host lacks for virt-customize, which is the appliance with a command of its own."""
    return "" if has_tool("virt-customize") else "virt-customize is not installed"
