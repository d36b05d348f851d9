"""A configurator of somebody else's, as `labwright plugins new` writes it, in a lesson: found, validated, run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.packages import lay_out, offers

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces"),
    pytest.mark.timeout(600),
]
TESTS = Path(__file__).parents[1]
META = """\
name: Acme
slug: acme
category: tools
tier: local
description: A lesson
shortDescription: A lesson
endpoints:
- name: r1
  image: utility
  configurationType: acme
  additionalPorts: [22]
stages:
- description: One
  guideType: markdown
"""
# In a process of its own: what is installed is looked at once.
PROGRAM = """\
import functools, json, sys
from pathlib import Path
from labwright.host.ledger import Ledger
from labwright.lesson.configure import configure_stage
from labwright.lesson.outcome import failure
from labwright.lesson.room import open_rooms
from support.endpoints import machines, own_network, stage

folder = Path(sys.argv[1])
with own_network(), machines() as lab, open_rooms({"r1": "127.0.1.1"}, folder / "s", Ledger(folder / "l")) as rooms:
    one = stage(folder, {}, [lab.endpoint("r1")], r1="acme")
    run_for = lambda copy: functools.partial(rooms.run, lesson=copy)
    outcomes = configure_stage(one.work(), one.context(run_for=run_for, seen_at=Path("/antidote")))
    error = "" if outcomes[0].ok else "\\n".join(failure(outcomes).details)
    said = error + one.logs()
    print(json.dumps({"ok": outcomes[0].ok, "tries": outcomes[0].tries, "error": error, "logs": one.logs(),
                      "made": [path.name for path in lab.home.iterdir()], "secret": lab.password in said}))
"""
BROKEN = """\
from typing import ClassVar
from labwright.interfaces import *
class Driver(LessonConfigurator):
    interface_version: ClassVar[int] = 5
    facts: ClassVar[DriverFacts] = DriverFacts("Acme")
    def candidates(self, endpoint):
        %s
    def configure(self, job, bench):
        %s
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The generated package, installed."""
    folder = tmp_path_factory.mktemp("acme")
    tool("-m", "labwright", "plugins", "new", "acme", "--kind", "configurator", "--into", str(folder))
    tool("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder / "site"),
         str(folder / "labwright-acme"))  # fmt: skip
    return folder / "site"


def tool(*words: str, site: Path | None = None, code: int = 0) -> str:
    path = ":".join(map(str, [TESTS, *([site] if site else [])]))
    done = subprocess.run(
        [sys.executable, *words], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def lesson(folder: Path, script: str) -> Path:
    place = folder / "lesson"
    (place / "stage0/configs").mkdir(parents=True)
    (place / "lesson.meta.yaml").write_text(META)
    (place / "stage0/guide.md").write_text("# One\n")
    (place / "stage0/configs/r1.sh").write_text(script)
    return place


def configured(folder: Path, site: Path, script: str) -> dict[str, object]:
    lesson(folder, script)
    found: dict[str, object] = json.loads(tool("-c", PROGRAM, str(folder), site=site))
    assert not found["secret"]
    assert "Traceback" not in str(found["error"])
    return found


def test_a_lesson_names_it_and_is_configured_by_it(tmp_path, site):
    found = configured(tmp_path, site, "touch by-acme; echo done\n")
    assert (found["ok"], found["tries"]) == (True, 1)
    assert "by-acme" in found["made"]
    assert "done" in str(found["logs"])


def test_its_failure_is_said_with_the_file_and_its_reason(tmp_path, site):
    found = configured(tmp_path, site, "echo no such interface; exit 3\n")
    assert (found["ok"], found["tries"]) == (False, 3)
    assert "r1: stage0/configs/r1.sh: it ended with exit code 3 (3 tries)" in str(found["error"])
    assert "no such interface" in str(found["error"])


def test_validate_knows_its_files_where_it_is_installed_and_that_it_is_not_elsewhere(tmp_path, site):
    place = lesson(tmp_path, "true\n")
    tool("-m", "labwright", "lesson", "validate", str(place), site=site)
    (place / "stage0/configs/r1.sh").rename(place / "stage0/configs/r1.bash")
    said = tool("-m", "labwright", "lesson", "validate", str(place), site=site, code=2)
    assert "there is no stage0/configs/r1.sh" in said
    said = tool("-m", "labwright", "lesson", "validate", str(place), code=2)
    assert "no plugin configures endpoints by 'acme'" in said


@pytest.mark.parametrize(
    ("candidates", "configure", "expected"),
    [
        ('return ("r1.sh",)', "return None", "configure() gives NoneType, and no ConfigurationResult"),
        ('return ("r1.sh",)', "raise ValueError(job.endpoint.password)", "raises ValueError: ********"),
        ('return ("r1.sh",)', "return ConfigurationResult(False, 'x ' + job.endpoint.password)", "r1.sh: x ********"),
        ('return ("r1.sh",)', "return ConfigurationResult(False, '')", "it failed and said nothing"),
    ],
)
def test_one_that_breaks_its_word_fails_its_endpoint_in_a_sentence(tmp_path, candidates, configure, expected):
    lay_out(
        tmp_path / "site",
        "acme_driver",
        BROKEN % (candidates, configure),
        offers("configurators", "acme", "acme_driver:Driver"),
    )
    found = configured(tmp_path, tmp_path / "site", "")
    assert not found["ok"]
    assert expected in str(found["error"])


def test_one_that_cannot_say_its_files_is_a_finding_of_validate(tmp_path):
    code = BROKEN % ("raise KeyError('x')", "return None")
    lay_out(tmp_path / "site", "acme_driver", code, offers("configurators", "acme", "acme_driver:Driver"))
    place = lesson(tmp_path, "")
    said = tool("-m", "labwright", "lesson", "validate", str(place), site=tmp_path / "site", code=2)
    assert "cannot say what configures r1: KeyError: 'x'" in said
