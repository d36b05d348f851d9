"""What a console sends, made plain text as it comes: nothing in it may drive a terminal or fool a pattern."""

from __future__ import annotations

import codecs
import re

from labwright.host.text import CONTROLS

STRING = r"[^\x07\x1b\x9c\r\n]{0,256}"
"""Of a sequence with a text in it; after that many characters it is text that somebody made up."""
PARAMETERS = r"[0-?]{0,64}[ -/]{0,8}"
# With bounds, so that what a sequence is depends on its own bytes and never on how they were cut into packets.
UNSAFE = re.compile(
    rf"\x1b\[{PARAMETERS}[@-~]|\x1b[\]PX^_]{STRING}(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]{{0,8}}[0-~]|{CONTROLS}"
)
UNFINISHED = re.compile(rf"(?:\x1b(?:\[{PARAMETERS}|[\]PX^_]{STRING}\x1b?|[ -/]{{0,8}})|\r+)\Z")
LONGEST_SEQUENCE = 300
"""More than any sequence has."""
RETURNS = re.compile(r"\r+\n?")


class Cleaner:
    """Bytes in, text with line feeds out. What is not UTF-8 becomes U+FFFD; a lone carriage return ends a line.

    However the bytes are cut into pieces, the text is the same.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, data: bytes) -> str:
        """The text of these bytes; the beginning of a sequence and a last carriage return wait for what follows."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        tail = text[-LONGEST_SEQUENCE:]
        if found := UNFINISHED.search(tail):
            self._held = "\r" if found.group().startswith("\r") else found.group()
            text = text[: len(text) - len(found.group())]
        return _plain(text)

    def flush(self) -> str:
        """What was held, when nothing more will come."""
        text, self._held = self._held + self._decoder.decode(b"", final=True), ""
        return _plain(text)


def _plain(text: str) -> str:
    return UNSAFE.sub("", RETURNS.sub("\n", text))
