"""The units and workflows that docs/nightly.md offers: what reads them takes them, and their commands are ours."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml
from support.builds import REPOSITORY
from support.docs import commands_of

from labwright.cli.app import app
from labwright.errors import LabwrightError
from labwright.host.paths import Paths
from labwright.nightly.images import find_images

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


def test_systemd_takes_the_metrics_drop_in_and_the_service_may_write_them(tmp_path):
    for name in UNITS:
        (tmp_path / name).write_text(
            (EXAMPLES / name).read_text().replace("/opt/labwright/.venv/bin/labwright", sys.executable)
        )
    text = (EXAMPLES / "metrics.conf").read_text()
    folder = tmp_path / f"{UNITS[0]}.d"
    folder.mkdir()
    (folder / "metrics.conf").write_text(text.replace("/opt/labwright/.venv/bin/labwright", sys.executable))
    done = verify(tmp_path, UNITS[0])
    assert (done.returncode, [line for line in done.stderr.splitlines() if "labwright-nightly" in line]) == (0, [])
    more, service = unit("metrics.conf")["Service"], unit(UNITS[0])["Service"]
    given, before = parsed(more["ExecStart"]), parsed(service["ExecStart"])
    assert given["metrics"].parent == Path(more["ReadWritePaths"])
    assert given | {"metrics": None} == before, "the same night, with metrics"
    assert "\nExecStart=\n" in text, "a second command would be added else"


def test_a_clone_that_everybody_may_write_in_can_hold_the_cache_of_the_job(tmp_path):
    """As GitLab's runner leaves it for its docker executor: umask 0000, below a volume that it has made 0777."""
    job = yaml.safe_load((EXAMPLES / "gitlab.yml").read_text())["nightly"]
    project = tmp_path / "builds/school/images"
    project.mkdir(parents=True)
    for folder in (project, *project.parents[:2]):
        folder.chmod(0o777)
    cache = Paths(Path(job["variables"]["LABWRIGHT_CACHE"].replace("$CI_PROJECT_DIR", str(project))))
    # As the runner gives it back.
    cache.root.mkdir()
    cache.root.chmod(0o777)
    with pytest.raises(LabwrightError, match="can be written by others"):
        cache.ensure()
    lines = [line for line in job["before_script"] if "chmod" in line]
    sticky = tmp_path / "builds"
    sticky.chmod(0o1777)
    script = "set -eo pipefail\n" + "\n".join(lines)
    env = os.environ | {"CI_PROJECT_DIR": str(project), "LABWRIGHT_CACHE": str(cache.root)}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    cache.ensure()
    assert stat.S_IMODE(sticky.stat().st_mode) == 0o1777, "others' folders are in there too"
    assert stat.S_IMODE(project.stat().st_mode) == 0o775
    assert job["variables"]["FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR"] == "true"


def test_github_s_job_is_of_the_system_whose_packages_it_installs_and_may_mount():
    job = yaml.safe_load((EXAMPLES / "github.yml").read_text())["jobs"]["nightly"]
    assert job["container"]["image"] == "debian:bookworm"
    assert job["container"]["options"] == "--privileged"
    assert job["defaults"]["run"]["shell"] == "bash", "sh knows no ${NAME,,}"
    first, second, *_ = job["steps"]
    assert {"git", "make"} < set(first["run"].split()), "checkout wants git, and the image has neither"
    assert second["uses"] == "actions/checkout@v4"
    assert "sudo" not in (EXAMPLES / "github.yml").read_text(), "root needs none, and the image has none"
    (volume,) = job["container"]["volumes"]
    assert volume.partition(":")[2] == job["env"]["LABWRIGHT_CACHE"]


def test_github_s_job_leaves_private_images_out_of_a_cache_that_strangers_can_read(tmp_path):
    steps = yaml.safe_load((EXAMPLES / "github.yml").read_text())["jobs"]["nightly"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("name") == "No private images"]
    for slug, more in {
        "open": "", "marked": "  visibility: private\n", "above": "  from: ../marked\n",
        "licensed": '  privateFiles: [{from: "env:LICENCE", path: /etc/licence}]\n',
    }.items():  # fmt: skip
        (tmp_path / "images" / slug).mkdir(parents=True)
        text = f"slug: {slug}\ndescription: x\nbuild:\n  type: debian\n{more}"
        (tmp_path / "images" / slug / "image.meta.yaml").write_text(text)
    (tmp_path / "images/wrong").mkdir()
    (tmp_path / "images/wrong/image.meta.yaml").write_text("slug: wrong\n")
    (tmp_path / ".venv").symlink_to(REPOSITORY / ".venv")
    env = os.environ | {"GITHUB_ENV": str(tmp_path / "env")}
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, env=env, check=True)
    said = (tmp_path / "env").read_text()
    assert said == "LEFT_OUT=--except licensed --except marked\n"
    left = find_images(tmp_path / "images", without=said.split()[1::2])
    assert [one.slug for one in left] == ["open", "wrong"], "what starts from a private one is left out with it"
    names = [step.get("name") for step in steps]
    (night,) = [step["run"] for step in steps if step.get("name") == "The night"]
    assert names.index("No private images") < names.index("The night")
    assert " $LEFT_OUT " in night


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
    given = parsed(re.sub(r"--publish \S+", "--publish registry.example/school", line).replace("$LEFT_OUT", ""))
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
