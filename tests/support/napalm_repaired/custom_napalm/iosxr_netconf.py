"""NAPALM's iosxr_netconf with the two repairs that netconfd's replies need."""

from support.netconf.driver import MendedXrDriver as IOSXRNETCONFDriver

__all__ = ["IOSXRNETCONFDriver"]
