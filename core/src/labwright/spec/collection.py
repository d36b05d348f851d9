"""collection.meta.yaml: lessons that belong together, by who gave them."""

from __future__ import annotations

from pydantic import Field

from labwright.spec.lenient import Lenient
from labwright.spec.lesson import Slug, Tier

FILE = "collection.meta.yaml"


class CollectionSpec(Lenient):
    """One collection, as its author wrote it."""

    slug: Slug = Field(description="Name in URLs, and in the lessons' collection.")
    title: str = Field(min_length=1, description="Title.")
    image: str | None = Field(None, description="URL of a picture, or a file of the collection.")
    website: str | None = Field(None, description="URL.")
    contact_email: str | None = Field(None, alias="contactEmail", description="Whom to write to.")
    brief_description: str = Field(min_length=1, alias="briefDescription", description="One line for people.")
    long_description: str = Field(min_length=1, alias="longDescription", description="Text for people.")
    type: str | None = Field(None, description="What they are, such as vendor, consultancy or community.")
    tier: Tier = Field(description="Where it is loaded.")
