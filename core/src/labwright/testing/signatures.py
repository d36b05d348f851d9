"""Whether a method can be called as the interface's is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partialmethod
from inspect import Parameter
from types import FunctionType
from typing import Any, TypeAlias

Method: TypeAlias = "FunctionType | staticmethod[..., Any] | classmethod[Any, ..., Any] | partialmethod[Any]"
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def misfit(wanted: Callable[..., Any], given: Method) -> str:
    """What keeps `given` from being called as `wanted` is, by place or by name; empty for nothing.

    wanted: a function whose first parameter is the instance. given: as it stands in its class.
    """
    asked = list(inspect.signature(wanted).parameters.values())[1:]
    try:
        had = list(inspect.signature(given.__get__(object(), object)).parameters.values())
    except ValueError:
        return "does not take its instance"
    places = [one for one in had if one.kind in POSITIONAL]
    for index, parameter in enumerate(asked):
        if found := _at(index, parameter, places, had):
            return found
    more = places[len(asked) :] + [one for one in had if one.kind is Parameter.KEYWORD_ONLY]
    return next((f"wants {one.name}, which nobody gives it" for one in more if one.default is Parameter.empty), "")


def _at(index: int, asked: Parameter, places: Sequence[Parameter], had: Sequence[Parameter]) -> str:
    kinds = {one.kind for one in had}
    if index >= len(places):
        # What takes anything takes this too, by place and by name.
        takes = {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD} <= kinds
        return "" if takes else f"does not take {asked.name}"
    given = places[index]
    if given.name != asked.name or given.kind is Parameter.POSITIONAL_ONLY:
        # The first place is the instance's, which nobody names.
        return f"does not take {asked.name} by that name at place {index + 1}"
    if asked.default is not Parameter.empty and given.default is Parameter.empty:
        return f"wants {asked.name}, which callers may leave out"
    return ""
