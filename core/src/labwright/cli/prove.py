"""labwright prove."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from labwright.cli.session import ImageFolder, Json, Session, session
from labwright.errors import LabwrightError
from labwright.pipeline.build import Wish, build_image, prepared
from labwright.spec.load import image_folder, load_image
from labwright.ui.proof import proof_text


def prove(
    image_dir: ImageFolder,
    out: Annotated[Path, typer.Option(help="Folder for the image, its kernel and its report.")] = Path("out"),
    json_lines: Json = False,
) -> None:
    """Build and boot an image, and print a report of it that can be sent: no secret and no path is in it."""
    with session(json_lines) as running:
        spec = load_image(image_dir)
        tools = prepared(spec)[0].distribution.makers
        try:
            built = build_image(Wish(spec, image_folder(image_dir)), running.workshop, out)
        except LabwrightError as error:
            _print(running, proof_text(spec.slug, tools, None, error))
            raise
        assert built is not None, "a build of all steps delivers an image"
        _print(running, proof_text(spec.slug, tools, json.loads(built.report.read_text()), None))


def _print(running: Session, text: str) -> None:
    running.result(escape(text), report=text)
