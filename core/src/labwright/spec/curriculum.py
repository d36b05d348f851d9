"""curriculum.meta.yaml: a set of lessons, their collections and their images."""

from __future__ import annotations

from pydantic import Field

from labwright.spec.lenient import Lenient

FILE = "curriculum.meta.yaml"
DEEPEST = 4
"""Folders below lessons/ in which a lesson is looked for: a curriculum may sort them."""


class CurriculumSpec(Lenient):
    """One curriculum, as its authors wrote it."""

    name: str = Field(min_length=1, description="Name.")
    description: str | None = Field(None, description="Text for people.")
    website: str | None = Field(None, description="URL.")
    platform_version: str | None = Field(None, alias="aVer", description="Version of Antidote that it is made for.")
    git_root: str | None = Field(None, alias="gitRoot", description="URL of its repository.")
