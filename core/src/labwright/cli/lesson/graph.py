"""labwright lesson graph."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.places import file_place
from labwright.cli.session import Json, failures, print_json
from labwright.host.files import write_whole
from labwright.lesson.graph import draw, links
from labwright.lesson.read import read_lesson


def graph(
    place: Annotated[Path, typer.Argument(metavar="LESSON_DIR", help="Folder that holds lesson.meta.yaml.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File for the drawing; by default it is printed.")
    ] = None,
    json_document: Json = False,
) -> None:
    """Draw a lesson's endpoints and connections as SVG, with the interface that each connection is plugged into."""
    with failures(json_document):
        if out_file:
            file_place(out_file, "--out")
        spec = read_lesson(place).spec
        if out_file:
            write_whole(out_file, draw(spec))
        if json_document:
            nodes = [{"name": one.name, "image": one.image, "ports": one.ports} for one in spec.endpoints]
            print_json({"nodes": nodes, "links": [asdict(link) for link in links(spec.connections)]})
        elif not out_file:
            sys.stdout.write(draw(spec))
