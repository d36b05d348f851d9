"""Package URLs (purl, ECMA-427): the names under which scanners know packages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

FORMATS = {
    "debian": "deb", "ubuntu": "deb",
    "centos": "rpm", "fedora": "rpm", "rhel": "rpm", "rocky": "rpm", "almalinux": "rpm", "opensuse": "rpm",
    "alpine": "apk",
}  # fmt: skip
"""The type of a package URL by the vendor, which is its namespace."""
TITLES = {"red": "rhel", "rocky": "rocky", "almalinux": "almalinux", "opensuse": "opensuse"}
"""Vendors whose title (os-release, PRETTY_NAME) does not begin with their ID."""


@dataclass(frozen=True)
class Vendor:
    """Who made the packages of an image. name: ID of os-release(5), empty for an unknown one. release: of it."""

    name: str = ""
    release: str = ""

    @property
    def distribution(self) -> str:
        """The qualifier `distro`: bookworm for Debian, centos-9 for others, as the types' definitions show."""
        if not self.release:
            return ""
        return self.release if FORMATS.get(self.name) == "deb" else f"{self.name}-{self.release}"


def vendor_of(kind: str, release: str, system: str) -> Vendor:
    """The vendor of an image. kind, release: of an image that was made from nothing; system: the title of any other."""
    if kind in FORMATS and release:
        return Vendor(kind, release if FORMATS[kind] == "deb" else release.partition("-")[0])
    first = system.lower().partition(" ")[0]
    name = TITLES.get(first, first)
    if name not in FORMATS:
        return Vendor()
    number = re.search(r"\d+(\.\d+)*", system)
    code = re.search(r"\(([a-z]+)\)", system)
    if FORMATS[name] == "deb" and code:
        return Vendor(name, code[1])
    return Vendor(name, number[0] if number else "")


def package_url(vendor: Vendor, name: str, version: str, architecture: str = "") -> str:
    """The package URL; empty for a vendor that is not known. An epoch of rpm's is a qualifier there, of dpkg's not."""
    kind = FORMATS.get(vendor.name)
    if kind is None:
        return ""
    qualifiers = {"arch": architecture, "distro": vendor.distribution}
    if kind == "rpm":
        epoch, colon, rest = version.partition(":")
        if colon:
            version, qualifiers["epoch"] = rest, epoch
    return _url(f"{kind}/{vendor.name}", name, version, qualifiers)


def generic_url(name: str, version: str) -> str:
    """The package URL of what no package manager brought."""
    return _url("generic", name, version, {})


def _url(kind: str, name: str, version: str, qualifiers: Mapping[str, str]) -> str:
    named = "&".join(f"{key}={_encode(value)}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:{kind}/{_encode(name)}@{_encode(version)}" + (f"?{named}" if named else "")


def _encode(text: str) -> str:
    """Percent-encoding as purl has it: letters, digits, . - _ ~ and the colon stay (ECMA-427, 5.4)."""
    return quote(text, safe=":~")
