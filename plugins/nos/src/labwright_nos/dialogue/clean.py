"""What a console sends, made plain text as it comes: nothing in it may drive a terminal or fool a pattern."""

from __future__ import annotations

import codecs
import re

from labwright.host.text import plain

LONGEST_SEQUENCE = 256
"""Characters after an escape that may still be one sequence; a longer one is text that somebody made up."""
UNFINISHED = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c\n]*\x1b?|[ -/]*)|\r)\Z")
RETURNS = re.compile(r"\r+\n?")


class Cleaner:
    """Bytes in, text with line feeds out. What is not UTF-8 becomes U+FFFD; a lone carriage return ends a line."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, data: bytes) -> str:
        """The text of these bytes; the beginning of a sequence is held until its end comes."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        tail = text[-LONGEST_SEQUENCE:]
        if found := UNFINISHED.search(tail):
            cut = len(text) - len(tail) + found.start()
            text, self._held = text[:cut], text[cut:]
        return plain(RETURNS.sub("\n", text))

    def flush(self) -> str:
        """What was held, since nothing came after it."""
        text, self._held = self._held, ""
        return plain(RETURNS.sub("\n", text))
