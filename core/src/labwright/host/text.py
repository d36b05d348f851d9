"""Words from outside made safe to print: a child, a guest or a mirror must not drive the user's terminal."""

from __future__ import annotations

import re

CONTROLS = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # control characters, but for tab and line feed
    r"|[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"  # invisible, and those that turn the direction of writing
)
UNSAFE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences: colours, cursor (ECMA-48, 5.4)
    r"|\x1b[\]PX^_][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # strings for the terminal: titles, clipboard (5.6)
    r"|\x1b[ -/]*[0-~]"  # character sets and other two-character sequences
    rf"|{CONTROLS}"
    r"|[\ud800-\udfff]"  # half characters, in names of files that are not UTF-8: no stream takes them
)

LONGEST_LINE = 500
"""Characters of what somebody else says in one line of ours."""


def plain(text: str) -> str:
    """Text without anything that a terminal would obey or that would make it read as something else."""
    return UNSAFE.sub("", text)


def line(text: object, longest: int = LONGEST_LINE) -> str:
    """What somebody else says in one line of bounded length: with more they could write lines of ours."""
    return plain(" ".join(str(text).split()))[:longest]
