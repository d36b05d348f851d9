"""What was said on a console, for the log and for errors, without the secrets that were typed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

MASK = "********"
KEPT = 40
"""Lines for errors."""
HELD = 2
"""Lines that are held back, since an echo may break a secret in two."""
LONGEST_LINE = 400
LARGEST = 16 * 1024 * 1024
"""Characters in the file: a console that floods fills no disk."""
WRAP = r"[\s\b]{0,4}"
SHORT = 4


class Transcript:
    """A file of lines, written soon after they end."""

    def __init__(self, path: Path, secrets: Iterable[str]) -> None:
        self._stream: TextIO | None = path.open("w", encoding="utf-8")
        self._secrets = mask_of(secrets)
        self._held = ""
        self._tail: deque[str] = deque(maxlen=KEPT)
        self._written = 0

    def add(self, text: str) -> None:
        """What came from the console."""
        # Masked before it is cut, so that no cut goes through a secret; one that has just begun is in what is held.
        self._held = self.masked(self._held + text)
        lines = self._held.split("\n")
        if len(lines) > HELD:
            self._write("\n".join(lines[:-HELD]))
            self._held = "\n".join(lines[-HELD:])
        elif len(self._held) > HELD * LONGEST_LINE:
            self._write(self._held[:-LONGEST_LINE])
            self._held = self._held[-LONGEST_LINE:]

    def masked(self, text: str) -> str:
        """A text without secrets."""
        return self._secrets.sub(MASK, text) if self._secrets else text

    def tail(self, count: int = 12) -> list[str]:
        """The last lines that are not empty."""
        now = [line[:LONGEST_LINE].rstrip() for line in self.masked(self._held).split("\n")]
        return [line for line in (*self._tail, *now) if line.strip()][-count:]

    def close(self) -> None:
        """Write what was held back."""
        self._write(self._held)
        self._held = ""
        if self._stream:
            self._stream.close()
            self._stream = None

    def _write(self, text: str) -> None:
        lines = self.masked(text).split("\n")
        self._tail.extend(line[:LONGEST_LINE].rstrip() for line in lines[-KEPT:] if line.strip())
        if self._stream and self._written < LARGEST:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
            self._written += len(text)


def mask_of(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern of all secrets, also where a terminal has wrapped them. A very short one counts as a word only."""
    parts = []
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        part = WRAP.join(re.escape(character) for character in secret)
        parts.append(part if len(secret) >= SHORT else rf"(?<!\w){part}(?!\w)")
    return re.compile("|".join(parts)) if parts else None
