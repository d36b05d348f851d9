"""From the console to NAPALM: its driver for a device that was booted here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napalm.base.base import NetworkDriver

from labwright.guest.napalm import driver_class
from labwright.interfaces import ImageSpec
from labwright_nos.profile.model import Napalm


def driver_for(napalm: Napalm, image: ImageSpec, ports: Mapping[str, int], factor: float) -> NetworkDriver:
    """NAPALM's driver for a running device, not opened. ports: of loopback. factor: of time limits.

    Raises LabwrightError (plugin) where no package brings it.
    """
    return driver_class(napalm.driver)(
        "127.0.0.1",
        image.config_user,
        image.config_password.get_secret_value(),
        timeout=int(napalm.limit * factor),
        optional_args={**napalm.options, "port": ports[napalm.port]},
    )
