"""docs/write-a-plugin.md as it stands there, up to the image, in an environment that has our packages as wheels."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from support.builds import REPOSITORY
from support.docs import tools_of
from support.environments import OFFLINE, fresh, our_wheels

PAGE = "write-a-plugin.md"
IMAGE = ("labwright plan", "labwright build")
"""What takes a disk; tests/e2e/test_third_party_nos.py has one."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("docs")
    fresh(place / ".venv", our_wheels(place, "nos"))
    return place


def edit(folder: Path) -> None:
    """What the page says to edit: one line."""
    line = re.search(r"^    (title: .+)$", (REPOSITORY / "docs" / PAGE).read_text(), re.MULTILINE)
    assert line
    profile = folder / "labwright-acme/src/labwright_acme/acme.yaml"
    profile.write_text(re.sub(r"(?m)^title: .+$", line[1], profile.read_text()))


def test_every_command_of_the_page_works_in_its_order(folder):
    lines = [line for line in tools_of(PAGE) if not line.startswith(IMAGE)]
    assert len(lines) == len(tools_of(PAGE)) - len(IMAGE)
    for line in lines:
        program, *words = shlex.split(line)
        done = subprocess.run(
            [folder / ".venv/bin" / program, *words], cwd=folder, env=os.environ | OFFLINE, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if line.startswith("labwright plugins new"):
            edit(folder)
    listed = subprocess.run(
        [folder / ".venv/bin/labwright", "plugins", "list", "--json"], capture_output=True, text=True, check=True
    )
    acme = {plugin["type"]: plugin for plugin in json.loads(listed.stdout)}["acme"]
    assert (acme["title"], acme["package"], acme["health"]) == ("Acme OS", "labwright-acme", "partial")
