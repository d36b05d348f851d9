"""What the network gave: every package of an image by version and hash. Written to a file, it is the image's lock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from labwright.errors import Cause, LabwrightError
from labwright.host.files import write_whole
from labwright.spec.image import ImageSpec, Strict, check_mirror_url

LOCK_FILE = "image.lock.json"
LARGEST_LOCK = 16 * 1024 * 1024
REMEDY = "make it anew: labwright lock IMAGE_DIR"


class Package(Strict):
    """One package as the mirror has it. mirror: a key of Pins.mirrors. path: below that mirror. size: bytes."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9+._-]*$")
    version: str = Field(pattern=r"^[A-Za-z0-9.+:~_^-]+$")
    architecture: str = Field(pattern=r"^[a-z0-9_-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: Annotated[int, Field(ge=1)]
    mirror: str = Field(pattern=r"^[a-z]+$")
    path: str = Field(pattern=r"^[A-Za-z0-9%+,.=_~/-]+$")

    @field_validator("path")
    @classmethod
    def _stays_below(cls, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError("a path stays below its mirror")
        return path

    @property
    def label(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"


class Pins(Strict):
    """Everything that an image takes from the network, exactly.

    asked: the packages by name that were asked for; the rest is what they need. mirrors: base URLs by role, which
    also end up in the image's package manager. snapshot: the date of a snapshot mirror, as it was given.
    """

    lock: Literal[1] = 1
    type: str
    release: str
    snapshot: str = ""
    asked: tuple[str, ...]
    mirrors: Mapping[str, str]
    kernel_source: Package
    packages: tuple[Package, ...]

    @field_validator("mirrors")
    @classmethod
    def _are_mirrors(cls, mirrors: Mapping[str, str]) -> Mapping[str, str]:
        for url in mirrors.values():
            check_mirror_url(url)
        return mirrors

    @field_validator("packages")
    @classmethod
    def _each_once_in_order(cls, packages: tuple[Package, ...]) -> tuple[Package, ...]:
        """In one order, whether they come from a package manager or from a file."""
        names = [(package.name, package.architecture) for package in packages]
        if len(set(names)) != len(names):
            raise ValueError("a package is there twice")
        return tuple(sorted(packages, key=lambda package: (package.name, package.architecture)))

    @model_validator(mode="after")
    def _mirrors_are_there(self) -> Pins:
        lacking = {package.mirror for package in (*self.packages, self.kernel_source)} - self.mirrors.keys()
        if lacking and self.type:
            raise ValueError(f"there is no mirror {', '.join(sorted(lacking))}")
        return self

    def by_name(self) -> dict[str, tuple[str, str]]:
        """Version and hash of every package, the kernel's source among them."""
        return {one.name: (one.version, one.sha256) for one in (*self.packages, self.kernel_source)}

    def text(self) -> str:
        """The lock file's text: sorted, so that two locks can be compared line by line."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"

    def write(self, path: Path) -> None:
        """Write the lock file, whole or not at all."""
        write_whole(path, self.text())


def read_pins(path: Path) -> Pins:
    """A lock file. Raises LabwrightError (config) naming the file, the place in it and the remedy."""
    try:
        if path.stat().st_size > LARGEST_LOCK:
            raise _unfit(f"{path} is larger than any lock")
        text = path.read_text(encoding="utf-8")
        return Pins.model_validate_json(text)
    except FileNotFoundError as error:
        raise LabwrightError(
            f"{path} does not exist", cause=Cause.CONFIG, hint="make it: labwright lock IMAGE_DIR"
        ) from error
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        said = [f"{path}: {'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in found]
        raise _unfit(said[0], said[1:12]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unfit(f"{path} cannot be read: {error}") from error


def _unfit(what: str, details: list[str] | None = None) -> LabwrightError:
    return LabwrightError(what, cause=Cause.CONFIG, details=details or (), hint=REMEDY)


def check_fits(pins: Pins, path: Path, image: ImageSpec, release: str, asked: tuple[str, ...]) -> None:
    """Raise LabwrightError (config) when the lock was made for something else than the image now asks for."""
    changes = [f"build.type: {pins.type}, now {image.build.type}"] if pins.type != image.build.type else []
    if pins.release != release:
        changes.append(f"build.release: {pins.release}, now {release}")
    changes += [f"{name} is not in the lock" for name in sorted(set(asked) - set(pins.asked))]
    changes += [f"{name} is no longer asked for" for name in sorted(set(pins.asked) - set(asked))]
    if changes:
        raise LabwrightError(
            f"{path} was made for another image.meta.yaml: {changes[0]}",
            cause=Cause.CONFIG,
            details=changes[1:],
            hint=f"{REMEDY}, or take the change back",
        )
