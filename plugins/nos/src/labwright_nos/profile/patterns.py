"""Regular expressions that take for ever: Python's engine cannot be stopped, so they are refused before."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

with warnings.catch_warnings():
    # The parser has no public name since 3.11; the old one is there up to 3.13.
    warnings.simplefilter("ignore", DeprecationWarning)
    import sre_constants
    import sre_parse

SOME = 16
"""Repetitions up to this many are no danger."""
REPEATS = (sre_constants.MAX_REPEAT, sre_constants.MIN_REPEAT)


def endless(pattern: str) -> bool:
    """Whether a repetition holds another: the time for a line that does not fit may double with each character."""
    return any(_repeats(inner) for _, inner in _repetitions(sre_parse.parse(pattern, re.NOFLAG.value)))


def _repeats(parsed: Any) -> bool:
    return any(True for _ in _repetitions(parsed))


def _repetitions(parsed: Any) -> Iterator[tuple[int, Any]]:
    """The long repetitions in a parsed pattern, at any depth: the most of each, and what it repeats."""
    for operator, argument in parsed:
        if operator in REPEATS and argument[1] > SOME:
            yield argument[1], argument[2]
        for part in _parts(argument):
            yield from _repetitions(part)


def _parts(argument: Any) -> Iterator[Any]:
    """The patterns within an argument of an operator."""
    if isinstance(argument, sre_parse.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for one in argument:
            yield from _parts(one)
