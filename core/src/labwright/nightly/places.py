"""Where the nightly build keeps what it makes: one folder that a web server may show as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labwright.nightly.model import Night

NIGHT = "night.json"
PAGE = "index.html"
CURRENT = "current"
"""The link to the version of an image that is in service; it is replaced by one rename, after the tests."""


@dataclass(frozen=True)
class Places:
    """The folders under one root.

    <root>/index.html                            all nights
    <root>/nights/0007/index.html, night.json    one night
    <root>/nights/0007/reports/<slug>.json       what the build and the tests of each image in service saw
    <root>/nights/0007/logs/<slug>.txt           the whole log of a failure
    <root>/images/<slug>/0007/<slug>.qcow2 ...   a version of an image: what `labwright build` delivers
    <root>/images/<slug>/current -> 0007         the one in service
    """

    root: Path

    def night(self, night: Night) -> Path:
        """The folder of a night."""
        return self.root / "nights" / night.name

    def record(self, night: Night) -> Path:
        """Its night.json."""
        return self.night(night) / NIGHT

    def report(self, night: Night, slug: str) -> Path:
        """The report of an image, as it was in this night."""
        return self.night(night) / "reports" / f"{slug}.json"

    def log(self, night: Night, slug: str) -> Path:
        """The log of a failed build."""
        return self.night(night) / "logs" / f"{slug}.txt"

    def versions(self, slug: str) -> Path:
        """The folder of all versions of an image that are kept."""
        return self.root / "images" / slug

    def version(self, slug: str, night: Night) -> Path:
        """What a night made of an image."""
        return self.versions(slug) / night.name

    def current(self, slug: str) -> Path:
        """The link to the version in service."""
        return self.versions(slug) / CURRENT
