"""Network operating systems for labwright. Planned: the driver is listed and says that it does nothing yet."""

from __future__ import annotations

from typing import ClassVar

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import DiskRequest, DriverFacts, Provisioned, Provisioner, Workbench

NOT_YET = "it provisions no image yet; console, NAPALM and the profiles of vendors come with a later version"


class NosProvisioner(Provisioner):
    """Vendors' images by console and NAPALM, once it is there."""

    facts: ClassVar[DriverFacts] = DriverFacts(title="Network operating systems", status="planned", limits=NOT_YET)

    def provision(self, request: DiskRequest, bench: Workbench) -> Provisioned:
        """Not there yet."""
        raise LabwrightError("the driver of network operating systems is planned", cause=Cause.PLUGIN, hint=NOT_YET)
