"""The part of a build's report (out/<slug>.json) that is vouched for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labwright.errors import Cause, LabwrightError
from labwright.spec.image import SLUG
from labwright.spec.pins import Pins

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[str, Field(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Part(BaseModel):
    """A piece of a report; what is not vouched for is left out."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class StepReport(Part):
    """A step of the build. inputs: what went into its key."""

    key: Word
    digest: Word
    inputs: Mapping[str, str] = {}


class DiskReport(Part):
    """A further disk of a device."""

    sha256: Sha256


class Report(Part):
    """What a build says of its image. packages: names and versions of what is installed, where that was asked.

    release, kernel, pins: of an image that was made from nothing. system: the title of any other. source_date_epoch:
    seconds since 1970, 0 where there is none.
    """

    labwright: Word
    image: str = Field(pattern=SLUG)
    type: str = Field(pattern=SLUG)
    sha256: Sha256
    locked: bool = False
    host: Word = ""
    release: Word = ""
    kernel: Word = ""
    system: Word = ""
    source_date_epoch: Annotated[int, Field(ge=0, lt=1 << 40)] = 0
    packages: tuple[tuple[Word, Word], ...] = ()
    pins: Pins | None = None
    steps: Mapping[Word, StepReport] = {}
    disks: Mapping[Word, DiskReport] = {}


def read_report(facts: Mapping[str, Any]) -> Report:
    """A report, checked. Raises LabwrightError (config) for what is none."""
    try:
        return Report.model_validate_json(json.dumps(facts))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _unfit(f"{place}: {first['msg']}" if place else first["msg"]) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _unfit("it is not JSON") from error


def _unfit(why: str) -> LabwrightError:
    return LabwrightError(
        f"this is not the report of a build: {why}",
        cause=Cause.CONFIG,
        hint="name the JSON file that labwright build puts beside the image; an older one: build again",
    )
