"""The fixtures that labwright brings to pytest, in projects of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.packages import DRIVER, lay_out, offers

from labwright.interfaces import PROVISIONERS
from labwright.testing import checks_of

TESTS = """
def test_one(conformance):
    assert conformance.state != "fail", str(conformance)
def test_two(driver, bench):
    assert bench.run(["echo", type(driver).__name__]).output == "AnyLinuxProvisioner\\n"
"""


def run_pytest(folder, setting: str, tests: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """pytest in a project of its own."""
    option = f'labwright_driver = "{setting}"\n' if setting else ""
    (folder / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\n{option}")
    (folder / "test_it.py").write_text(tests)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, capture_output=True, text=True,
        check=False, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "code", "words"),
    [
        ("provisioners linux", 0, f"{len(checks_of(PROVISIONERS)) + 3} passed"),
        ("provisioners nothing", 1, "no installed package offers the type 'nothing'"),
        ("linux", 2, "INTERFACE TYPE"),
    ],
)
def test_the_fixtures_test_the_driver_that_the_project_names(tmp_path, setting, code, words):
    done = run_pytest(tmp_path, setting, TESTS)
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout + done.stderr


def test_projects_that_name_no_driver_have_the_fixtures_of_others(tmp_path):
    """Whichever order pytest loads its plugins in: `zz` comes after ours, `aa` before."""
    for name in ("aa_selenium", "zz_selenium"):
        code = f"@pytest.fixture\ndef driver(): return 'a browser'\n@pytest.fixture\ndef {name[:2]}(): pass\n"
        lay_out(tmp_path / "site", name, f"import pytest\n{code}", f"[pytest11]\n{name} = {name}\n")
    tests = "def test_one(driver, aa, zz):\n    assert driver == 'a browser'\n"
    done = run_pytest(tmp_path, "", tests, PYTHONPATH=str(tmp_path / "site"))
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    wanting = run_pytest(tmp_path, "", "def test_one(bench):\n    pass\n")
    assert "fixture 'bench' not found" in wanting.stdout


@pytest.mark.parametrize(("chosen", "module"), [("zz-third", "zz_third"), ("labwright-debian", "labwright_debian")])
def test_of_two_packages_the_one_that_was_chosen_is_tested(tmp_path, chosen, module):
    lay_out(tmp_path / "site", "zz_third", f"{DRIVER}pass", offers("bootstrappers", "debian", "zz_third:Driver"))
    site = {"PYTHONPATH": str(tmp_path / "site")}
    tests = "def test_one(driver):\n    assert type(driver).__module__.startswith('MODULE')\n".replace("MODULE", module)
    done = run_pytest(tmp_path, "bootstrappers debian", tests, LABWRIGHT_DEBIAN_PLUGIN=chosen, **site)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    neither = run_pytest(tmp_path, "bootstrappers debian", tests, **site)
    assert neither.returncode == 1
    assert "which debian of the bootstrappers is meant" in neither.stdout
    assert "set LABWRIGHT_DEBIAN_PLUGIN to one of: labwright-debian, zz_third" in neither.stdout
