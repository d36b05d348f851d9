"""What tests with a machine share. A test file takes the fixture by assignment, and then has a machine of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.kit.machine import Machine, machine, missing

needs_machine = pytest.mark.skipif(bool(missing()), reason=f"needs {missing()}")


@pytest.fixture(scope="module")
def one() -> Iterator[Machine]:
    with machine() as made:
        yield made


def script(
    text: str, folder: Path, environment: dict[str, str], timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """A lesson's script, run as the configurator runs it: in a process of its own, with its environment."""
    file = folder / "hub.py"
    file.write_text(text)
    return subprocess.run(
        [sys.executable, file], capture_output=True, text=True, timeout=timeout, check=False,
        env={"PATH": os.environ["PATH"]} | environment,
    )  # fmt: skip
