"""What was said on a console, for the log and for errors, without the secrets that were typed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

MASK = "********"
KEPT = 16 * 1024
"""Characters for errors."""
LONGEST_LINE = 400
"""Of a line in an error."""
LARGEST = 16 * 1024 * 1024
"""Characters in the file: a console that floods fills no disk."""
GAP = 4
"""Characters that a terminal may put between two of a secret where it wraps a line."""
SHORT = 4
"""A secret with fewer characters is masked as a word only."""


class Transcript:
    """A file of what came, written a few hundred characters later, since a secret may be half there.

    However the text is cut into pieces, the file is the same.
    """

    def __init__(self, path: Path, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if secret}
        self._stream: TextIO | None = path.open("w", encoding="utf-8")
        self._secrets = mask_of(known)
        # The longest secret, wrapped wherever it can be, and what follows it.
        self._holds = max((len(secret) * (GAP + 1) + 1 for secret in known), default=0)
        self._held = ""
        self._before = ""
        self._recent = ""
        self._written = 0

    def add(self, text: str) -> None:
        """What came from the console."""
        self._held += text
        if len(self._held) > self._holds:
            self._write(len(self._held) - self._holds)

    def masked(self, text: str) -> str:
        """A text without secrets."""
        return self._secrets.sub(MASK, text) if self._secrets else text

    def tail(self, count: int = 12) -> list[str]:
        """The last lines that are not empty."""
        lines = (self._recent + self._without(len(self._held))[0]).split("\n")
        return [line[:LONGEST_LINE].rstrip() for line in lines if line.strip()][-count:]

    def close(self) -> None:
        """Write what was held back."""
        self._write(len(self._held))
        if self._stream:
            self._stream.close()
            self._stream = None

    def _write(self, end: int) -> None:
        """Of what is held, all before `end`, but for a secret that goes over it."""
        text, end = self._without(end)
        self._before, self._held = (self._before + self._held[:end])[-1:], self._held[end:]
        self._recent = (self._recent + text)[-KEPT:]
        if self._stream and self._written < LARGEST:
            self._stream.write(text)
            if "\n" in text:
                self._stream.flush()
            self._written += len(text)

    def _without(self, end: int) -> tuple[str, int]:
        """What is held, up to `end` or the secret that goes over it, without secrets; and where that is."""
        whole, first = self._before + self._held, len(self._before)
        parts: list[str] = []
        done, stop = first, first + end
        for found in self._secrets.finditer(whole, first) if self._secrets else ():
            if found.start() >= stop:
                break
            parts.append(whole[done : found.start()])
            done = found.start()
            if found.end() > stop:
                return "".join(parts), done - first
            parts.append(MASK)
            done = found.end()
        return "".join((*parts, whole[done:stop])), end


def mask_of(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern of all secrets, also where a terminal has wrapped them. A very short one counts as a word only."""
    wrap = rf"[\s\b]{{0,{GAP}}}"
    parts = []
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        part = wrap.join(re.escape(character) for character in secret)
        parts.append(part if len(secret) >= SHORT else rf"(?<!\w){part}(?!\w)")
    return re.compile("|".join(parts)) if parts else None
