"""NAPALM's own way in by NETCONF, mended for a server that is not IOS XR."""

from __future__ import annotations

import difflib

from lxml import etree
from napalm.iosxr_netconf import IOSXRNETCONFDriver


class MendedXrDriver(IOSXRNETCONFDriver):
    """For tests alone: NAPALM's iosxr_netconf with two repairs, and nothing else of it changed.

    netconfd's replies begin with an XML declaration, IOS XR's do not, and lxml refuses a str that has one. So the
    original's open() fails after it has connected, where it asks for XR's modules; and so does its compare_config().
    """

    def open(self) -> None:
        try:
            super().open()
        except ValueError as error:
            if "encoding declaration" not in str(error):
                raise

    def compare_config(self) -> str:
        running, candidate = (self._lines(store) for store in ("running", "candidate"))
        return "".join(difflib.unified_diff(running, candidate)) if self.pending_changes else ""

    def _lines(self, store: str) -> list[str]:
        reply = etree.fromstring(self.device.get_config(store).xml.encode(), etree.XMLParser(remove_blank_text=True))
        return etree.tostring(reply[0], pretty_print=True, encoding="unicode").splitlines(keepends=True)
