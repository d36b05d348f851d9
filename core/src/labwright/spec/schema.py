"""JSON Schemas of the files that people write, for editors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, SecretStr

from labwright.spec import collection, curriculum, lesson
from labwright.spec.image import ImageSpec

MODELS: dict[str, tuple[str, type[BaseModel]]] = {
    "image": ("image.meta.yaml", ImageSpec),
    "lesson": (lesson.FILE, lesson.LessonSpec),
    "collection": (collection.FILE, collection.CollectionSpec),
    "curriculum": (curriculum.FILE, curriculum.CurriculumSpec),
}


def schema_of(kind: str) -> dict[str, Any]:
    """JSON Schema, draft 2020-12. kind: a key of MODELS."""
    title, model = MODELS[kind]
    schema = model.model_json_schema(by_alias=True)
    for field in model.model_fields.values():
        if isinstance(field.default, SecretStr):
            # The contract's own default, which everybody knows; pydantic would write asterisks.
            schema["properties"][field.alias]["default"] = field.default.get_secret_value()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **{key: value for key, value in schema.items() if key != "title"},
    }


def image_schema() -> dict[str, Any]:
    """The schema of image.meta.yaml."""
    return schema_of("image")
