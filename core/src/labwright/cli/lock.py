"""labwright lock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.session import ImageFolder, Json, session
from labwright.errors import LabwrightError, os_error
from labwright.pipeline.build import Wish, lock_image
from labwright.pipeline.explain import package_words
from labwright.spec.image import ImageSpec
from labwright.spec.load import image_folder, load_image
from labwright.spec.pins import LOCK_FILE, Pins, read_pins


def lock(
    image_dir: ImageFolder,
    snapshot: Annotated[str, typer.Option(help="Date of a snapshot mirror, such as 2026-11-01.")] = "",
    json_lines: Json = False,
) -> None:
    """Write down every package of an image, and its kernel's source, by version and hash."""
    with session(json_lines) as running:
        spec: ImageSpec = load_image(image_dir)
        folder = image_folder(image_dir)
        place = folder / LOCK_FILE
        before = earlier(place)
        pins = lock_image(Wish(spec, folder), running.workshop, snapshot)
        try:
            pins.write(place)
        except OSError as error:
            raise os_error(error, f"{place} cannot be written") from error
        running.result(describe(pins, before, place), lock=str(place), packages=len(pins.packages),
                       changes=changes(before, pins))  # fmt: skip


def earlier(place: Path) -> Pins | None:
    """The lock that is there. One that cannot be read is no obstacle: this command is its remedy."""
    try:
        return read_pins(place)
    except LabwrightError:
        return None


def describe(pins: Pins, before: Pins | None, place: Path) -> str:
    """The lock in words."""
    total = sum(package.size for package in pins.packages) / 1e6
    lines = [f"{place}: {len(pins.packages)} packages, {total:.0f} MB, and {pins.kernel_source.label}"]
    if before:
        lines += changes(before, pins) or ["nothing has changed"]
    return "\n".join(lines)


def changes(before: Pins | None, after: Pins) -> list[str]:
    """What the new lock has that the old one had not, in words."""
    return package_words(before.by_name(), after.by_name(), alone=("is gone", "is new")) if before else []
