"""The fixtures that labwright brings to pytest, in projects of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from labwright.interfaces import PROVISIONERS
from labwright.testing import checks_of

TESTS = """
def test_one(conformance):
    assert conformance.state != "fail", str(conformance)
def test_two(driver, bench):
    assert bench.run(["echo", type(driver).__name__]).output == "AnyLinuxProvisioner\\n"
"""


@pytest.mark.parametrize(
    ("setting", "code", "words"),
    [
        ("provisioners linux", 0, f"{len(checks_of(PROVISIONERS)) + 3} passed"),
        ("provisioners nothing", 1, "no installed package offers the type 'nothing'"),
        ("linux", 2, "INTERFACE TYPE"),
    ],
)
def test_the_fixtures_test_the_driver_that_the_project_names(tmp_path, setting, code, words):
    (tmp_path / "pyproject.toml").write_text(f'[tool.pytest.ini_options]\nlabwright_driver = "{setting}"\n')
    (tmp_path / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=tmp_path, capture_output=True, text=True,
        check=False, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout + done.stderr
