"""What goes wrong with a lab: each is said in words that help, and leaves nothing behind.

One router, resumed from a snapshot where that will do, so that each fault takes seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.builds import REPOSITORY, command_lines
from support.labs import qemus_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")
META = """
name: One router
slug: one-router
category: tools
tier: local
description: A router
shortDescription: A router
endpoints:
  - {name: r1, image: frr, configurationType: %s, presentations: [{name: cli, port: 22, type: ssh}]}
stages:
  - {description: First, guideType: markdown}
  - {description: Second, guideType: markdown}
"""
CONNECTED = """
import os, sys, time
import paramiko
ssh = paramiko.SSHClient()
ssh.set_missing_host_key_policy(paramiko.AutoAddPolicy())
ssh.connect(os.environ["ANTIDOTE_TARGET_HOST"], 22, "antidote", "antidotepassword")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Path]:
    """A folder with the image in out/, of which there is a snapshot."""
    folder = tmp_path_factory.mktemp("faults")
    shutil.copytree(REPOSITORY / "images/frr", folder / "images/frr")
    assert labwright(folder, "build", "images/frr").returncode == 0
    lesson(folder / "first", "true")
    done = labwright(folder, "lesson", "prepare", "first")
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder


@pytest.fixture
def made(place, request) -> Iterator[Callable[..., Path]]:
    """Makes a lesson, and ends its lab afterwards."""
    name = re.sub(r"\W+", "-", request.node.name)[-40:]
    folder = place / name

    def make(script: str, kind: str = "python", file: str = "r1.py") -> Path:
        return lesson(folder, script, kind, file)

    yield make
    labwright(place, "lesson", "down", str(folder))
    shutil.rmtree(folder, ignore_errors=True)


def lesson(folder: Path, script: str, kind: str = "python", file: str = "r1.py") -> Path:
    for number in (0, 1):
        (folder / f"stage{number}/configs").mkdir(parents=True)
        (folder / f"stage{number}/guide.md").write_text("# A router\n")
        (folder / f"stage{number}/configs" / file).write_text(script)
    (folder / "lesson.meta.yaml").write_text(META % kind)
    return folder


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-P", "-m", "labwright", *map(str, words)]


def labwright(folder: Path, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        timeout=3000, env=os.environ | environment,
    )  # fmt: skip


def started(folder: Path, *words: str | Path) -> subprocess.Popen[str]:
    # A shell starts what it puts in the background with Ctrl-C ignored, and a runner of CI may be started so.
    return subprocess.Popen(
        ["env", "--default-signal=INT", *command(*words)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def phase(lesson: Path) -> str:
    """Of its lab, once that has a process of its own. From its file: one may be over before `status` has said it."""
    for folder in labs_of(lesson):
        with contextlib.suppress(FileNotFoundError):
            lab = json.loads((folder / "lab.json").read_text())
            if Path(lab["sockets"], "keeper").is_socket():
                return str(lab["phase"])
    return ""


def status(folder: Path, lesson: Path) -> dict:
    done = labwright(folder, "lesson", "status", lesson, "--json")
    return json.loads(done.stdout)["labs"][0] if done.returncode == 0 else {}


def until(seen: Callable[[], object], seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.1)


def processes_of(lab: Path) -> list[str]:
    """Processes that name a file of the lab."""
    return [line for _, line in command_lines(lab)]


def labs_of(lesson: Path) -> list[Path]:
    return [path for path in Path(os.environ["LABWRIGHT_CACHE"], "labs").glob(f"{lesson.name}-*") if path.is_dir()]


def nothing_is_left(lesson: Path) -> None:
    assert not labs_of(lesson)
    name = Path(os.environ["LABWRIGHT_CACHE"], "labs") / f"{lesson.name}-"
    until(lambda: not processes_of(name), 60)
    entries = [path.read_text() for path in Path(os.environ["LABWRIGHT_CACHE"], "ledger").glob("*.json")]
    assert not [entry for entry in entries if str(name) in entry]


def failed(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    # A script's own traceback may be shown; none of ours is.
    assert "labwright/cli" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    for word in words:
        assert word in " ".join(done.stderr.split()), done.stderr
    assert "antidotepassword" not in done.stderr


def test_a_lesson_is_up_once(place, made):
    folder = made("pass")
    assert labwright(place, "lesson", "up", folder).returncode == 0
    failed(
        labwright(place, "lesson", "up", folder), 2, "one-router is up already, at stage 0", "labwright lesson stage"
    )
    failed(labwright(place, "lesson", "stage", folder, "7"), 2, "has no stage 7", "0 to 1")
    failed(labwright(place, "lesson", "ssh", folder, "r7"), 2, "no endpoint 'r7'", "one of: r1")
    failed(labwright(place, "lesson", "link", folder, "r1--r2"), 2, "no link 'r1--r2'")
    failed(labwright(place, "lesson", "verify", folder), 2, "stage 0 of one-router has no checks")


# Every other way in which a job fails is in integration/test_configurators_*.py, on a real SSH server without machines.
def test_a_script_that_fails_is_named_with_its_line_and_the_lab_stays(place, made):
    folder = made("import os\nprint(os.environ['ANTIDOTE_TARGET_PASSWORD'])\nraise ValueError('no such thing')")
    done = labwright(place, "lesson", "up", folder)
    failed(
        done, 7, "1 of 1 endpoints could not be configured: r1", "r1: stage0/configs/r1.py:3: ValueError: no such thing"
    )
    assert status(place, folder)["state"] == "failed"
    (folder / "stage0/configs/r1.py").write_text("pass")
    assert labwright(place, "lesson", "configure", folder).returncode == 0
    assert status(place, folder)["state"] == "ready"
    assert labwright(place, "lesson", "down", folder).returncode == 0
    nothing_is_left(folder)


def test_what_is_missing_is_said_before_anything_starts(place, made):
    folder = made("pass", "python", "other.py")
    failed(
        labwright(place, "lesson", "up", folder), 2, "no configuration file for the endpoint r1", "stage0/configs/r1.py"
    )
    nothing_is_left(folder)
    meta = folder / "lesson.meta.yaml"
    meta.write_text(meta.read_text().replace("image: frr", "image: fr"))
    failed(labwright(place, "lesson", "up", folder), 2, "there is no image fr", "out/fr.qcow2 is not there", "has: frr")
    meta.write_text((META % "python") + "connections: [{a: r1, b: r9}]\n")
    failed(labwright(place, "lesson", "up", folder), 2, "lesson.meta.yaml:", "r9")
    meta.write_text((META % "python").replace("stages:", "  - {name: r1, image: frr, additionalPorts: [22]}\nstages:"))
    failed(labwright(place, "lesson", "up", folder), 2, "lesson.meta.yaml:", "r1")
    failed(labwright(place, "lesson", "up", place / "nowhere"), 2, "there is no", "lesson.meta.yaml")


def test_more_memory_than_there_is_is_refused_before_anything_starts(place, made):
    folder, images = made("pass"), place / "huge"
    images.mkdir()
    os.link(place / "out/frr.qcow2", images / "frr.qcow2")
    report = json.loads((place / "out/frr.json").read_text()) | {"memory": 65536}
    (images / "frr.json").write_text(json.dumps(report))
    failed(labwright(place, "lesson", "up", folder, "--images", images), 3, "MiB of memory", "r1 65536", "--force")
    nothing_is_left(folder)


def test_a_wrong_password_is_said_and_nothing_stays(place, made):
    folder = made("pass")
    # The platform's file: beside the lessons of a curriculum.
    curriculum = place / "curriculum"
    shutil.copytree(folder, curriculum / "lessons/wrong")
    image = curriculum / "images/frr"
    image.mkdir(parents=True)
    (image / "image.meta.yaml").write_text("slug: frr\nconfigUser: antidote\nconfigPassword: not-this-one\n")
    done = labwright(place, "lesson", "up", curriculum / "lessons/wrong")
    failed(done, 7, "r1: no login as antidote over SSH", "is the password in its image.meta.yaml right?")
    assert "not-this-one" not in done.stdout + done.stderr
    nothing_is_left(curriculum / "lessons/wrong")


def test_a_machine_that_dies_during_its_configuration_ends_the_job_at_once(place, made):
    folder = made(CONNECTED + "print('here we are')\ntime.sleep(300)\n")
    running = started(place, "lesson", "up", folder)
    until(lambda: phase(folder) == "configuring")
    time.sleep(1)
    (victim,) = qemus_of({"folder": labs_of(folder)[0]})
    os.kill(victim, signal.SIGKILL)
    begun = time.monotonic()
    _, said = running.communicate(timeout=120)
    # Its script would go on for five minutes.
    assert time.monotonic() - begun < 60
    assert running.returncode == 7
    assert "r1: the machine died: its QEMU ended (signal 9)" in " ".join(said.split())
    assert status(place, folder)["endpoints"][0]["ended"]


@pytest.mark.parametrize("wanted", ["booting", "configuring"])
def test_ctrl_c_in_up_leaves_nothing(place, made, wanted):
    folder = made("import time\ntime.sleep(300)\n")
    running = started(place, "lesson", "up", folder)
    until(lambda: phase(folder) == wanted)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    nothing_is_left(folder)


@pytest.mark.parametrize("wanted", ["booting", "configuring"])
def test_up_that_was_killed_is_seen_and_ended_by_down(place, made, wanted):
    folder = made("import time\ntime.sleep(300)\n")
    running = started(place, "lesson", "up", folder)
    until(lambda: phase(folder) == wanted)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=60)
    assert status(place, folder)["state"] == f"{wanted}, and whoever started it is gone"
    assert labwright(place, "lesson", "down", folder).returncode == 0
    labwright(place, "clean")
    nothing_is_left(folder)


@pytest.mark.parametrize("remedy", ["down", "clean"])
def test_a_keeper_that_was_killed_takes_its_machines_along(place, made, remedy):
    folder = made("pass")
    assert labwright(place, "lesson", "up", folder).returncode == 0
    lab = status(place, folder)
    os.kill(lab["process"], signal.SIGKILL)
    until(lambda: not processes_of(labs_of(folder)[0]), 60)
    assert status(place, folder)["state"] == "dead"
    failed(labwright(place, "lesson", "stage", folder, "1"), 3, "has died", "lesson down")
    if remedy == "clean":
        done = labwright(place, "clean")
        assert done.returncode == 0
        assert "undone: folder" in done.stdout
    else:
        assert labwright(place, "lesson", "down", folder).returncode == 0
    nothing_is_left(folder)
    failed(labwright(place, "lesson", "down", folder), 2, "is not up")
