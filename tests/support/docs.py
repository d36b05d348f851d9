"""The commands that a page of the docs shows."""

from __future__ import annotations

import re

from support.builds import REPOSITORY

COMMAND = re.compile(r"^    (?:sudo )?\.venv/bin/labwright (.+)$", re.MULTILINE)


def commands_of(page: str) -> list[str]:
    return [str(line) for line in COMMAND.findall((REPOSITORY / "docs" / page).read_text())]


def tools_of(page: str) -> list[str]:
    """The commands of a page that run any program of a virtual environment, from that program's name on."""
    text = (REPOSITORY / "docs" / page).read_text()
    return [str(line) for line in re.findall(r"^    \.venv/bin/(.+)$", text, re.MULTILINE)]
