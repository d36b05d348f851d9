"""What is known of a night, while it runs and afterwards. Written to night.json after every change; pages read that."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Literal, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from labwright.errors import Cause, LabwrightError

ImageState = Literal["waiting", "building", "built", "unchanged", "failed", "skipped"]
"""built: made, tested and in service since this night. unchanged: nothing that goes in has changed, so the one in
service stays. failed: it was not made, or not tested with success. skipped: what it starts from failed."""
StepOutcome = Literal["ran", "cached", "failed"]
KEPT_STATES: tuple[ImageState, ...] = ("built", "unchanged")


@dataclass(frozen=True)
class StepTime:
    """A step of an image's last attempt. seconds: how long it took."""

    name: str
    title: str
    seconds: float
    outcome: StepOutcome


@dataclass(frozen=True)
class Failure:
    """Why something did not come to be. cause: the word of errors.Cause. details: the last lines that matter.

    log: the whole log, a path below the folder of the night; empty where there is none.
    """

    what: str
    cause: str
    hint: str = ""
    details: tuple[str, ...] = ()
    log: str = ""


@dataclass(frozen=True)
class Delivered:
    """The image in service. folder: of its files, below the folder of all nights (images/<slug>/<version>).

    report: what its build and its tests saw, a copy of <slug>.json below the folder of the night that speaks of it.
    since: the number of the night that made it. bytes: of its qcow2.
    """

    folder: str
    report: str
    since: int
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Published:
    """What a registry has of an image. digest: of the manifest. uploaded, total: bytes of blobs; signed: by our key.

    signer: the identifier of that key (trust.keys.PublicKey); empty where it is not signed. warnings: what the registry
    did not take, in words.
    """

    kind: str
    reference: str
    digest: str
    uploaded: int
    total: int
    signed: bool = False
    signer: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageNight:
    """One image in one night.

    why: why it was built or not, in words. needs: the slugs of images that it starts from. attempts: how often it was
    tried. crashes: how often nights died, without a word, while it was built, since one brought it into service.
    started: seconds since 1970, 0 where it was not. seconds: of all attempts. delivered: what is in service at the end
    of the night, also after a failure; None where there never was one. worker: the machine that built it.
    """

    slug: str
    description: str
    state: ImageState
    why: str = ""
    needs: tuple[str, ...] = ()
    attempts: int = 0
    crashes: int = 0
    started: float = 0.0
    seconds: float = 0.0
    steps: tuple[StepTime, ...] = ()
    failure: Failure | None = None
    delivered: Delivered | None = None
    published: tuple[Published, ...] = ()
    publish_failures: tuple[Failure, ...] = ()
    worker: str = ""


@dataclass(frozen=True)
class Night:
    """A run of the nightly build. number: they are counted from 1; it orders them, since clocks jump.

    started: seconds since 1970. seconds: that it ran, without the time in which the machine was off. finished: whether
    it came to its end. resumed: how often it went on after it was killed. revision: of the images' folder (git), empty
    where there is none.
    """

    number: int
    started: float
    images: tuple[ImageNight, ...]
    seconds: float = 0.0
    finished: bool = False
    resumed: int = 0
    revision: str = ""
    labwright: str = ""
    host: str = ""

    @property
    def name(self) -> str:
        """Its folder's name: sorts as it is counted."""
        return f"{self.number:04}"

    @property
    def failed(self) -> tuple[ImageNight, ...]:
        """The images that are not as they should be in the morning."""
        return tuple(image for image in self.images if image.state in {"failed", "skipped"} or image.publish_failures)


Fact = TypeVar("Fact", Night, ImageNight, str)
_NIGHT = TypeAdapter(Night)


def encodable(fact: Fact) -> Fact:
    """The same without half characters (a file name that is not UTF-8, an escape in YAML), which no file takes."""
    return cast("Fact", _encodable(fact))


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, tuple):
        return tuple(map(_encodable, value))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _encodable(getattr(value, one.name)) for one in fields(value)})
    return value


def to_json(night: Night) -> str:
    """night.json: the fields as they are called here."""
    return _NIGHT.dump_json(night, indent=1).decode() + "\n"


def from_json(text: str, source: str) -> Night:
    """A night from its file. source: the file's name, for errors. Raises LabwrightError (config)."""
    try:
        return _NIGHT.validate_json(text)
    except ValidationError as error:
        raise LabwrightError(
            f"{source} is no record of a night: {error.errors()[0]['msg']}",
            cause=Cause.CONFIG,
            hint="another version of labwright wrote it, or a disk lost it: move it away",
        ) from error
