"""The JSON Schema of image.meta.yaml, for editors."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from labwright.spec.image import ImageSpec


def image_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    schema = ImageSpec.model_json_schema(by_alias=True)
    for field in ImageSpec.model_fields.values():
        if isinstance(field.default, SecretStr):
            # The contract's own default, which everybody knows; pydantic would write asterisks.
            schema["properties"][field.alias]["default"] = field.default.get_secret_value()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "image.meta.yaml",
        **{key: value for key, value in schema.items() if key != "title"},
    }
