"""What is wrong with a lesson, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from labwright.spec.document import Reading

Level = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong. line: from 1. kind: docs/lesson-files.md lists them. remedy: what to do.

    An error keeps the lesson from running as it is written; a warning is something that its author should look at.
    """

    path: Path
    line: int
    level: Level
    kind: str
    message: str
    remedy: str

    @property
    def sentence(self) -> str:
        """The message, with its place."""
        return f"{self.path}:{self.line}: {self.message}"


def of_reading(reading: Reading[Any]) -> Iterable[Finding]:
    """What the reading of a file found."""
    for remark in reading.mistakes:
        yield Finding(reading.path, max(remark.line, 1), "error", "meta", remark.what, remark.hint)
    for remark in reading.warnings:
        yield Finding(reading.path, max(remark.line, 1), "warning", "unknown-key", remark.what, remark.hint)
