"""Any Linux image for labwright: whatever is on the disk, by its family."""

from __future__ import annotations

from typing import ClassVar

from labwright.interfaces import DriverFacts
from labwright.provision.driver import LinuxProvisioner
from labwright.provision.family import LINUX, Family


class AnyLinuxProvisioner(LinuxProvisioner):
    """Debian, Enterprise Linux, SUSE and Alpine families."""

    interface_version: ClassVar[int] = 5
    facts: ClassVar[DriverFacts] = DriverFacts(
        title="Linux",
        status="partial",
        limits="Alpine and SUSE are written by their documentation and untested: no disk of theirs could be had",
    )
    families: ClassVar[tuple[Family, ...]] = LINUX
