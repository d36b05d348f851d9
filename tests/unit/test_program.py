"""The program before it is a command."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

EARLY = "labwright.errors"
"""One of the first modules that are read."""


def interrupted(how: str, program: list[str | Path]) -> tuple[int, str]:
    """Ctrl-C while it is being read: its exit code, and what it says."""
    words = ["env", f"--{how}-signal=INT", sys.executable, "-X", "importtime", *program, "--version"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.rstrip().endswith(f" {EARLY}"):
                running.send_signal(signal.SIGINT)
                break
        said = [line for line in running.stderr if not line.startswith("import time:")]
        return running.wait(60), "".join(said)


@pytest.mark.parametrize("program", [["-m", "labwright"], [Path(sys.executable).with_name("labwright")]])
def test_ctrl_c_before_anything_was_begun_is_no_traceback(program):
    assert interrupted("default", program) == (-signal.SIGINT, "")


def test_who_is_to_ignore_ctrl_c_ignores_it(tmp_path):
    """What a shell without job control puts in the background."""
    assert interrupted("ignore", ["-m", "labwright"]) == (0, "")
