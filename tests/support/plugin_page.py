"""docs/write-a-plugin.md, followed as a reader would: its commands, and the edit that it shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

from support.builds import REPOSITORY
from support.docs import tools_of
from support.environments import OFFLINE

PAGE = "write-a-plugin.md"
IMAGE = ("labwright plan", "labwright build", "labwright test")
"""The commands that take a disk."""
PROFILE = "labwright-acme/src/labwright_acme/acme.yaml"


def text() -> str:
    return (REPOSITORY / "docs" / PAGE).read_text()


def follow(folder: Path, with_disk: bool) -> None:
    """Run the page's commands in their order in a folder whose .venv has our packages. Fails with what one said."""
    for line in tools_of(PAGE):
        if with_disk or not line.startswith(IMAGE):
            tool(folder, line)
        if line.startswith("labwright plugins new"):
            edit(folder)


def tool(folder: Path, line: str) -> str:
    """One command of the environment; what it prints."""
    program, *words = shlex.split(line)
    done = subprocess.run(
        [folder / ".venv/bin" / program, *words], cwd=folder, env=os.environ | OFFLINE, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def edit(folder: Path) -> None:
    """The line of the profile that the page shows, in place of the one that is there."""
    line = re.search(r"^    (title: .+)$", text(), re.MULTILINE)
    assert line
    profile = folder / PROFILE
    profile.write_text(re.sub(r"(?m)^title: .+$", line[1], profile.read_text()))


def image(folder: Path) -> None:
    """The image's folder, as the page shows it."""
    shown = text()[text().index("    slug:") :].partition("\n\n")[0]
    (folder / "router").mkdir()
    (folder / "router/image.meta.yaml").write_text("".join(f"{line[4:]}\n" for line in shown.splitlines()))
