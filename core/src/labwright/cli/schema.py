"""labwright schema."""

from __future__ import annotations

from labwright.cli.session import print_json
from labwright.spec.schema import image_schema


def schema() -> None:
    """Print the JSON Schema of image.meta.yaml, for editors. It is JSON already, so there is no --json."""
    print_json(image_schema())
