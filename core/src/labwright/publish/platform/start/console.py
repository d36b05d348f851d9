"""The machine's serial console on the container's standard output: what `docker logs` and `kubectl logs` show."""

from __future__ import annotations

import codecs
from typing import TextIO

from labwright.host.text import plain

LONGEST = 4096
"""Characters of a line that has no end: more of it is a line of its own."""


class Console:
    """Takes bytes as they come and writes whole lines, with nothing in them that a terminal would obey."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._line = ""

    def feed(self, data: bytes) -> None:
        """Take some bytes."""
        text = self._line + self._decode(data).replace("\r\n", "\n").replace("\r", "\n")
        *lines, self._line = text.split("\n")
        while len(self._line) > LONGEST:
            lines.append(self._line[:LONGEST])
            self._line = self._line[LONGEST:]
        self._write(lines)

    def idle(self) -> None:
        """Write a line that waits for an answer, such as a login prompt, too."""
        if self._line:
            self._write([self._line])
            self._line = ""

    def say(self, text: str) -> None:
        """A line of ours."""
        self.idle()
        self._write([f"labwright: {text}"])

    def _write(self, lines: list[str]) -> None:
        shown = [plain(line).rstrip() for line in lines]
        if any(shown):
            self._stream.write("".join(f"{line}\n" for line in shown if line))
            self._stream.flush()
