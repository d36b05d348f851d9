"""The provisioner of network operating systems: one class, and a profile for each system."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from labwright.guest.napalm import facts
from labwright.interfaces import DiskRequest, DriverFacts, Hardware, ImageSpec, Provisioned, Provisioner, Workbench
from labwright.vm.accelerator import choose_accelerator, slower
from labwright_nos.first_boot import Boot, provision_device
from labwright_nos.handover import driver_for
from labwright_nos.image import check_image, values_of
from labwright_nos.profile.model import Profile

WAY = "console"
UNTESTED = "untested against the real system: no image of it could be had, only a simulated console plays it"


class NosProvisioner(Provisioner):
    """A network operating system by its serial console, then by NAPALM. A subclass names its profile and no more."""

    interface_version: ClassVar[int] = 5
    profile: ClassVar[Profile]
    facts: ClassVar[DriverFacts]
    hardware: ClassVar[Hardware | None]
    depends: ClassVar[tuple[str, ...]]
    ways: ClassVar[tuple[str, ...]] = (WAY,)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        profile = cls.profile
        limits = "; ".join(text for text in ("" if profile.tested else UNTESTED, profile.limits) if text)
        cls.facts = DriverFacts(profile.title, "ready" if profile.tested else "partial", limits)
        cls.hardware = profile.hardware
        brings = f"napalm_{profile.napalm.driver}" if profile.napalm else ""
        cls.depends = (brings,) if brings and importlib.util.find_spec(brings) else ()

    def check(self, image: ImageSpec, folder: Path) -> None:
        """Interfaces, passwords, the login and the configuration are what a console and NAPALM can take."""
        check_image(self.profile, image, folder)

    def provision(self, request: DiskRequest, bench: Workbench) -> Provisioned:
        """Boot it, answer its questions, hand over to NAPALM, seal it, switch it off."""
        values = values_of(self.profile, request.image, bench)
        provision_device(Boot(self.profile, request, bench, choose_accelerator(bench), values))
        return Provisioned(system=self.profile.title, systemd=False)

    def examine(self, image: ImageSpec, ports: Mapping[str, int], bench: Workbench) -> Mapping[str, str]:
        """What the device says of itself by NAPALM, which is how lessons will configure it."""
        napalm = self.profile.napalm
        if napalm is None:
            return {}
        bench.say("asking NAPALM what it is")
        factor = slower(choose_accelerator(bench))
        return facts(driver_for(napalm, image, ports, factor))
