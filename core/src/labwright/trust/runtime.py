"""What an image is published with: the packages of the container that starts it, which no build's report names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from labwright.trust.purl import Vendor, generic_url, package_url


@dataclass(frozen=True)
class RuntimePackage:
    """A package, pinned. sha256: of its file."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Runtime:
    """Packages of one vendor. Their architecture is the container's, amd64, or none: it is not told."""

    vendor: Vendor
    packages: tuple[RuntimePackage, ...]

    def url(self, package: RuntimePackage) -> str:
        """Its package URL."""
        return package_url(self.vendor, package.name, package.version) or generic_url(package.name, package.version)

    @property
    def digest(self) -> str:
        """SHA-256 over the packages: another one for others."""
        lines = (f"{one.name} {one.version} {one.sha256}\n" for one in self.packages)
        return hashlib.sha256("".join(lines).encode()).hexdigest()
