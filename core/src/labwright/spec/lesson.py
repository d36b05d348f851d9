"""lesson.meta.yaml: the Antidote platform's fields."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from labwright.spec.lenient import Lenient

FILE = "lesson.meta.yaml"
Port = Annotated[int, Field(ge=1, le=65535)]
ENDPOINT_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A label of DNS (RFC 1123): endpoints are found by their names."""
IMAGE_NAME = re.compile(r"[A-Za-z0-9-]+")
LESSON_SLUG = re.compile(r"[a-z-]+")
CONFIGURATION_TYPES = ("napalm", "python", "ansible")
"""The platform's; ours are the names of all drivers that are installed."""
CONFIGURATION_TYPE = re.compile(r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?")
NAPALM_DRIVERS = ("junos", "eos", "iosxr", "nxos", "nxos_ssh", "ios", "iosxr_netconf", "frr")
"""The platform's, in its order, and two that it lacks."""


def _slug(slug: str) -> str:
    if not LESSON_SLUG.fullmatch(slug):
        raise ValueError("a slug has the letters a to z and hyphens, nothing else, as the platform wants it")
    return slug


def _image(slug: str) -> str:
    if not IMAGE_NAME.fullmatch(slug):
        raise ValueError("an image is named by its slug: letters, digits and hyphens, without a registry or a version")
    return slug


def _configuration_type(name: str) -> str:
    if not CONFIGURATION_TYPE.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a driver; {', '.join(CONFIGURATION_TYPES)} are always there")
    return name


Slug = Annotated[str, AfterValidator(_slug), Field(json_schema_extra={"pattern": "^[a-z-]+$"})]
ImageSlug = Annotated[str, AfterValidator(_image), Field(json_schema_extra={"pattern": "^[A-Za-z0-9-]+$"})]
ConfigurationType = Annotated[
    str,
    AfterValidator(_configuration_type),
    Field(json_schema_extra={"pattern": f"^{CONFIGURATION_TYPE.pattern}$", "examples": list(CONFIGURATION_TYPES)}),
]
Tier = Literal["prod", "ptr", "local"]


class Presentation(Lenient):
    """A way in that learners are shown."""

    name: str = Field(min_length=1, description="Name of the tab.")
    port: Port = Field(description="Port of the endpoint.")
    type: Literal["http", "ssh"] = Field(description="What speaks there.")


class EndpointSpec(Lenient):
    """A machine of the lesson."""

    name: str = Field(description="Its name: unique, and found by DNS.")
    image: ImageSlug = Field(description="Slug of its image.")
    configuration_type: ConfigurationType | None = Field(
        None,
        alias="configurationType",
        description="What configures it: napalm, python, ansible, or the name of another driver that is installed; "
        "nothing does by default.",
    )
    additional_ports: tuple[Port, ...] = Field((), alias="additionalPorts", description="Ports that others reach.")
    presentations: tuple[Presentation, ...] = Field((), description="Ways in that learners are shown.")

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that is declared, once."""
        return tuple(sorted({*self.additional_ports, *(each.port for each in self.presentations)}))


class Connection(Lenient):
    """A cable between two endpoints; the order of an endpoint's connections is that of its interfaces."""

    a: str = Field(description="Name of an endpoint.")
    b: str = Field(description="Name of another endpoint.")
    subnet: str | None = Field(None, description="For people: the subnet that the lesson uses there.")


class Author(Lenient):
    """Who wrote it."""

    name: str = Field(min_length=1, description="Name.")
    link: str | None = Field(None, description="URL.")


class Stage(Lenient):
    """A chapter. Its number is its index; its files are in stageN/."""

    description: str = Field(min_length=1, description="Title.")
    guide_type: Literal["markdown", "jupyter"] = Field(alias="guideType", description="guide.md or guide.ipynb.")
    stage_video: str | None = Field(None, alias="stageVideo", description="URL of a video.")


class LessonBody(Lenient):
    """What runs of a lesson, without what is said of it."""

    connections: tuple[Connection, ...] = Field((), description="Cables between endpoints.")
    endpoints: tuple[EndpointSpec, ...] = Field(min_length=1, description="The machines.")
    stages: tuple[Stage, ...] = Field(min_length=1, description="The chapters, numbered from 0.")


class LessonSpec(LessonBody):
    """One lesson, as its author wrote it."""

    name: str = Field(min_length=1, description="Title.")
    slug: Slug = Field(description="Name in URLs.")
    category: Literal["fundamentals", "tools", "workflows"] = Field(description="Shelf.")
    tier: Tier = Field(description="Where it is loaded.")
    description: str = Field(min_length=1, description="Text for people.")
    short_description: str = Field(min_length=1, alias="shortDescription", description="One line for people.")
    diagram: str | None = Field(None, description="URL of a picture.")
    video: str | None = Field(None, description="URL of a video.")
    collection: str | None = Field(None, description="Slug of the collection that it is part of.")
    prereqs: tuple[str, ...] = Field((), description="Slugs of lessons to do first.")
    tags: tuple[str, ...] = Field((), description="Words to find it by.")
    authors: tuple[Author, ...] = Field((), description="Who wrote it.")
    ready_delay: Annotated[int, Field(ge=0, le=3600)] = Field(
        0, alias="readyDelay", description="Seconds to wait after the configuration."
    )
