"""Formats of the Antidote platform: what it overlooks is overlooked here too, and told.

A key that nobody knows is a warning, a key with nothing after its colon is not there, and a number where a text belongs
is the text as it is written: `tags: [2020, 1.10]`.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

Place = tuple[str | int, ...]


class Lenient(BaseModel):
    """Unknown keys are dropped, objects do not change."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


def eased(data: Any, model: type[BaseModel], texts: Mapping[Place, str]) -> tuple[Any, tuple[Place, ...]]:
    """What a lenient model is made of, from a file's values, and the places of the keys that it does not know.

    texts: how the values are written. Other models get their values as they are.
    """
    if not issubclass(model, Lenient):
        return data, ()
    ease = _Ease(texts)
    return ease.model(data, model, ()), tuple(ease.unknown)


class _Ease:
    """One file. unknown: places of keys that no model knows."""

    def __init__(self, texts: Mapping[Place, str]) -> None:
        self.unknown: list[Place] = []
        self._texts = texts

    def model(self, data: Any, model: type[BaseModel], place: Place) -> Any:
        """The values of a model's keys, but for empty ones that need not be there."""
        if not isinstance(data, dict):
            return data
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        self.unknown += [(*place, key) for key in data if key not in fields]
        return {
            key: self._value(value, fields[key].annotation, (*place, key))
            for key, value in data.items()
            if key in fields and (value is not None or fields[key].is_required())
        }

    def _value(self, value: Any, annotation: Any, place: Place) -> Any:
        if isinstance(value, tuple):
            return tuple(self._value(each, annotation, (*place, index)) for index, each in enumerate(value))
        within = next(models(annotation), None)
        if within is not None:
            return self.model(value, within, place)
        return self._texts.get(place, value) if value is not None and _is_text(annotation) else value


def _is_text(annotation: Any) -> bool:
    """Whether text belongs there, or a list of texts."""
    return annotation is str or annotation is SecretStr or any(map(_is_text, typing.get_args(annotation)))


def keys(model: type[BaseModel]) -> list[str]:
    """The keys of a model, as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type: itself, or those of its arguments."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from models(argument)
