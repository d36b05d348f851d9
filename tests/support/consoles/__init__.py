"""Simulated devices of twelve vendors' systems, each written from its vendor's description and from no profile."""

from __future__ import annotations

from labwright_nos.testing import Device
from support.consoles.eos import VEOS
from support.consoles.ios import CSR1000V, IOSV
from support.consoles.junos import VJUNOS, VQFX, VSRX
from support.consoles.linux import CUMULUS, SONIC
from support.consoles.nxos import NXOSV9K
from support.consoles.sros import SROS
from support.consoles.vyos import VYOS
from support.consoles.xr import XRV9K

DEVICES: dict[str, Device] = {
    device.name: device
    for device in (VQFX, VSRX, VJUNOS, VEOS, CSR1000V, IOSV, XRV9K, NXOSV9K, CUMULUS, VYOS, SROS, SONIC)
}
