"""labwright schema."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from labwright.cli.session import print_json
from labwright.spec.schema import MODELS, schema_of

Kind = Enum("Kind", {name: name for name in MODELS}, type=str)  # type: ignore[misc]
IMAGE = Kind("image")


def schema(of: Annotated[Kind, typer.Option("--of", help="Which file: NAME.meta.yaml.")] = IMAGE) -> None:
    """Print the JSON Schema of a file that people write, for editors. It is JSON already, so there is no --json."""
    print_json(schema_of(of.value))
