"""NAPALM driver for FRR. `napalm.get_network_driver("frr")` finds it by the name of this package."""

from napalm_frr.frr import FRRDriver

__all__ = ["FRRDriver"]
