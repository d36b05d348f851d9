"""Names that were perhaps meant by a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

MOST_COMPARED = 30_000
"""Pairs of names, for one file or one kind: a second of work. After that nobody needs one more hint."""
MOST_NAMES, LONGEST = 1000, 100
"""Names that one is compared with, and characters of each."""


class Likeness:
    """Answers as long as it has compared few, and then nothing."""

    def __init__(self) -> None:
        self._left = MOST_COMPARED

    def closest(self, name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
        """The most alike; empty where none is. cutoff: how alike it has to be, from 0 to 1."""
        if len(name) > LONGEST or self._left <= 0:
            return ""
        names = [each for each in islice(known, MOST_NAMES) if len(each) <= LONGEST]
        self._left -= len(names)
        return next(iter(difflib.get_close_matches(name, names, 1, cutoff)), "")

    def meant(self, name: str, known: Iterable[str]) -> str:
        """The same as the end of a sentence."""
        close = self.closest(name, known)
        return f"; did you mean {close!r}?" if close else ""
