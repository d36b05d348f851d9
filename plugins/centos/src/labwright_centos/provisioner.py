"""CentOS's part of stage 2: the Enterprise Linux family, by virt-customize first."""

from __future__ import annotations

from typing import ClassVar

from labwright.guest.way import APPLIANCE, BOOTED, MOUNTED, VIRT_CUSTOMIZE
from labwright.interfaces import DriverFacts
from labwright.provision.driver import LinuxProvisioner
from labwright.provision.family import ENTERPRISE, Family


class CentosProvisioner(LinuxProvisioner):
    """CentOS Stream, AlmaLinux, Rocky Linux and what is like them."""

    interface_version: ClassVar[int] = 5
    facts: ClassVar[DriverFacts] = DriverFacts(
        title="CentOS Stream",
        status="partial",
        limits="tested with a stand-in: real dnf and rpm in a tree of that shape, not with a disk of CentOS's own",
    )
    families: ClassVar[tuple[Family, ...]] = (ENTERPRISE,)
    ways: ClassVar[tuple[str, ...]] = (VIRT_CUSTOMIZE, MOUNTED, APPLIANCE, BOOTED)
