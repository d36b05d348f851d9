"""Packages that `labwright plugins new` writes pass their own tests, linter and type checker as they are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from support.packages import lay_out, offers

from labwright.scaffold.kinds import KINDS
from labwright.scaffold.names import LONGEST

LONG = "a" * (LONGEST - 2) + "-z"
NAMES = ("x", LONG)
"""The shortest and the longest: lines of generated code are as long as the name makes them."""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Makes a package and installs it, as a user's pip would, into a folder beside."""
    made: dict[tuple[str, str], tuple[Path, Path]] = {}

    def write(kind: str, name: str) -> tuple[Path, Path]:
        if (kind, name) not in made:
            folder = tmp_path_factory.mktemp(kind)
            tool("labwright", "plugins", "new", name, "--kind", kind, "--into", str(folder), cwd=folder)
            place = folder / f"labwright-{name}"
            tool("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder / "site"),
                 str(place), cwd=folder)  # fmt: skip
            made[kind, name] = place, folder / "site"
        return made[kind, name]

    return write


def tool(*words: str, cwd: Path, site: Path | None = None) -> str:
    """A tool of this Python's. Fails with all that it said."""
    environment = os.environ | ({"PYTHONPATH": str(site)} if site else {})
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_passes_its_own_tests_and_the_kit(written, kind):
    folder, site = written(kind, "acme-os")
    said = tool("pytest", "-q", "-p", "no:cacheprovider", cwd=folder, site=site)
    assert "passed" in said
    assert "skipped" not in said
    group = KINDS[kind].group.rpartition(".")[2]
    (checked,) = json.loads(
        tool("labwright", "plugins", "check", "acme-os", "--interface", group, "--json", cwd=folder, site=site)
    )
    assert checked["package"] == "labwright-acme-os"
    # Not even a warning: the example is what others will copy.
    assert {result["check"]: result["found"] for result in checked["checks"] if result["state"] != "pass"} == {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_is_lint_free_and_typed_whatever_its_name(written, kind, name):
    folder, site = written(kind, name)
    tool("ruff", "check", "--no-cache", ".", cwd=folder)
    tool("ruff", "format", "--no-cache", "--check", ".", cwd=folder)
    tool("mypy", "--cache-dir", os.devnull, cwd=folder, site=site)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_is_whole(written, kind):
    folder, _ = written(kind, "acme-os")
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    wanted = {"README.md", "LICENSE", ".gitignore", "pyproject.toml", "src/labwright_acme_os/py.typed"}
    assert wanted < files.keys()
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert "test" in project["optional-dependencies"]
    assert project["entry-points"][KINDS[kind].group]["acme-os"].startswith("labwright_acme_os:AcmeOs")
    unfilled = [name for name, text in files.items() if re.search("@[A-Z]+@", name + text)]
    assert unfilled == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_workflow_of_a_new_package_is_one(written, kind):
    folder, _ = written(kind, "acme-os")
    workflow = yaml.safe_load((folder / ".github/workflows/test.yml").read_text())
    # A bare `on` is the word for true in YAML 1.1.
    assert workflow.keys() == {"name", "on", "permissions", "jobs"}
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert job["timeout-minutes"]
    for step in job["steps"]:
        assert ("uses" in step) != ("run" in step)
        # A tag or a hash: without one another action runs every day.
        assert "@" in step.get("uses", "@")
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert {"ruff check .", "mypy", "pytest", "labwright plugins check acme-os"} < set(commands)


def test_the_commands_say_what_failed_and_end_with_its_code(cli, tmp_path, monkeypatch):
    words = ("plugins", "new", "acme", "--kind", "provisioner", "--into", tmp_path, "--json")
    written = json.loads(cli(*words).stdout)
    assert (written["package"], written["folder"]) == ("labwright-acme", str(tmp_path / "labwright-acme"))
    assert "src/labwright_acme/driver.py" in written["files"]
    again = cli(*words)
    assert again.returncode == 2
    assert "nothing is overwritten" in json.loads(again.stdout)["error"]["what"]
    taken = cli("plugins", "new", "debian", "--kind", "provisioner", "--into", tmp_path)
    assert taken.returncode == 2
    assert "labwright-debian" in taken.stderr
    unknown = cli("plugins", "check", "nothing", "--json")
    assert unknown.returncode == 2
    assert "debian" in json.loads(unknown.stdout)["error"]["hint"]
    lay_out(tmp_path / "site", "third", "raise OSError('boom')", offers("bootstrappers", "third", "third:Driver"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    failed = cli("plugins", "check", "third")
    assert failed.returncode == 8
    assert "boom" in failed.stdout
    assert "Traceback" not in again.stderr + taken.stderr + unknown.stderr + failed.stderr
