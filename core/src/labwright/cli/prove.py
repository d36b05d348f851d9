"""labwright prove."""

from __future__ import annotations

import json
import os
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
    """Build and boot an image, and print a report of it to send. It has no secret, and names the mirrors: read it."""
    with session(json_lines) as running:
        spec = load_image(image_dir)
        tools = prepared(spec)[0].distribution.makers
        hidden = places(running, image_folder(image_dir), out.resolve())
        try:
            built = build_image(Wish(spec, image_folder(image_dir)), running.workshop, out)
        except LabwrightError as error:
            _print(running, proof_text(spec.slug, tools, None, error, hidden))
            raise
        assert built is not None, "a build of all steps delivers an image"
        _print(running, proof_text(spec.slug, tools, json.loads(built.report.read_text()), None, hidden))


def places(running: Session, image: Path, out: Path) -> dict[str, str]:
    """Folders whose names may say who and where somebody is, and words for them; the longest first."""
    found = {str(running.workshop.paths.root): "CACHE", str(image): "IMAGE", str(out): "OUT", str(Path.cwd()): "HERE"}
    for user in (os.environ.get("SUDO_USER"), None):
        home = os.path.expanduser(f"~{user or ''}")  # noqa: PTH111 - no error for a user without an entry
        if len(home) > 1 and not home.startswith("~"):
            found.setdefault(home, "~")
    return dict(sorted(found.items(), key=lambda one: -len(one[0])))


def _print(running: Session, text: str) -> None:
    running.result(escape(text), report=text)
