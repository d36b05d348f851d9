"""The units and workflows that docs/nightly.md offers: what reads them takes them, and their commands are ours."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml
from support.builds import REPOSITORY
from support.docs import commands_of

from labwright.cli.app import app

EXAMPLES = REPOSITORY / "examples/nightly"
UNFIT = {
    "NoNewPrivileges", "RestrictNamespaces", "RestrictSUIDSGID", "ProtectKernelTunables", "PrivateDevices",
    "RestrictAddressFamilies", "SystemCallFilter", "LockPersonality", "MemoryDenyWriteExecute",
}  # fmt: skip
"""For an ordinary user most of these imply NoNewPrivileges (systemd.exec(5)), and newuidmap(1) is setuid."""
UNITS = ("labwright-nightly.service", "labwright-nightly.timer")


def parsed(line: str) -> dict[str, object]:
    """What the command line of labwright makes of a command; raises click's UsageError for one that it refuses."""
    words = shlex.split(line.partition("labwright ")[2])
    command = typer.main.get_command(app).get_command(None, words[0])
    return command.make_context(words[0], words[1:]).params


def unit(name: str) -> configparser.RawConfigParser:
    """A unit's text; a key that is there twice keeps its last value."""
    found = configparser.RawConfigParser(strict=False)
    found.optionxform = str
    found.read_string((EXAMPLES / name).read_text())
    return found


def verify(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    words = ["systemd-analyze", "verify", "--man=no", *names]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_systemd_takes_the_units(tmp_path):
    for name in UNITS:
        # labwright is not in /opt here, and a command that is not there is a mistake.
        text = (EXAMPLES / name).read_text().replace("/opt/labwright/.venv/bin/labwright", sys.executable)
        (tmp_path / name).write_text(text)
    done = verify(tmp_path, *UNITS)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "labwright-nightly" in line]
    assert said == [], "not even a warning: a key that is not known is passed over"


def test_a_unit_with_a_mistake_would_be_refused(tmp_path):
    """So that the test above can fail."""
    (tmp_path / UNITS[1]).write_text((EXAMPLES / UNITS[1]).read_text().replace("02:00", "at night"))
    (tmp_path / UNITS[0]).write_text((EXAMPLES / UNITS[0]).read_text())
    done = verify(tmp_path, UNITS[1])
    assert done.returncode != 0 or "labwright-nightly" in done.stderr


def test_the_service_may_write_where_its_command_writes_and_has_the_means_to_build():
    service = unit(UNITS[0])["Service"]
    folder = f"/var/lib/{service['StateDirectory']}/"
    given = parsed(service["ExecStart"])
    assert str(given["out_dir"]).startswith(folder)
    assert f"LABWRIGHT_CACHE={folder}" in service["Environment"]
    assert not UNFIT & set(service), "a build by an ordinary user would fail"
    assert service["OOMPolicy"] == "continue"


@pytest.mark.parametrize(
    ("name", "schema"), [("github.yml", "vendor.github-workflows"), ("gitlab.yml", "vendor.gitlab-ci")]
)
def test_the_workflows_fit_their_schemas(name, schema, tmp_path):
    words = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", schema]
    done = subprocess.run([*words, EXAMPLES / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = (
        (EXAMPLES / name)
        .read_text()
        .replace("runs-on:", "runs-upon:")
        .replace("resource_group: nightly", "resource_group: [x]")
    )
    (tmp_path / name).write_text(broken)
    assert subprocess.run([*words, tmp_path / name], capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize(
    ("name", "kinds"), [("github.yml", ["artifact", "containerdisk"]), ("gitlab.yml", ["containerdisk"])]
)
def test_the_workflows_run_a_command_that_there_is_and_keep_what_it_writes(name, kinds):
    text = (EXAMPLES / name).read_text()
    (line,) = [line for line in strings(yaml.safe_load(text)) if "labwright nightly" in line]
    # The registry is known to the shell there.
    given = parsed(re.sub(r"--publish \S+", "--publish registry.example/school", line))
    assert (str(given["images_dir"]), given["kinds"]) == ("images", kinds)
    assert f"{given['out_dir']}/index.html" in text
    assert re.search(rf"^ +(- )?{given['out_dir']}/?$", text, re.MULTILINE), "the next night has to find it"


def test_what_a_night_with_failures_made_is_kept_for_the_next_one():
    github = yaml.safe_load((EXAMPLES / "github.yml").read_text())
    steps = github["jobs"]["nightly"]["steps"]
    caches = {step["uses"]: step for step in steps if step.get("uses", "").startswith("actions/cache")}
    assert list(caches) == ["actions/cache/restore@v4", "actions/cache/save@v4"], "a bare one saves only after success"
    restore, save = caches.values()
    assert save["if"] == "always()"
    assert save["with"] == {key: value for key, value in restore["with"].items() if key != "restore-keys"}
    assert "github.run_attempt" in save["with"]["key"], "a key that is there is not saved again"
    gitlab = yaml.safe_load((EXAMPLES / "gitlab.yml").read_text())
    assert gitlab["nightly"]["cache"]["when"] == "always"


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    return [value] if isinstance(value, str) else []


def test_the_page_s_commands_are_ones_that_there_are():
    lines = commands_of("nightly.md")
    assert len(lines) == 4
    for line in lines:
        assert parsed(f"labwright {line}")["only"] == ["debian"], line
