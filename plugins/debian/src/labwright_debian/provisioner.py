"""Debian's part of stage 2: the family's facts; all that is done with them is the core's."""

from __future__ import annotations

from typing import ClassVar

from labwright.interfaces import DriverFacts
from labwright.provision.driver import LinuxProvisioner
from labwright.provision.family import DEBIAN, Family


class DebianProvisioner(LinuxProvisioner):
    """Debian and what is made of it."""

    interface_version: ClassVar[int] = 5
    facts: ClassVar[DriverFacts] = DriverFacts(title="Debian")
    families: ClassVar[tuple[Family, ...]] = (DEBIAN,)
