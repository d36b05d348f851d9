"""Commands of a lab that is up: what they say to a program, and which logins, folders and consoles they take."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.lessons import META, write
from typer.testing import CliRunner

from labwright.cli.app import app
from labwright.cli.lesson import reach
from labwright.cli.lesson.common import image_folders, images_of
from labwright.errors import Cause, LabwrightError
from labwright.host.paths import Paths
from labwright.host.teardown import process_start
from labwright.interfaces import ConfigurationResult
from labwright.lesson.command import WireEnd, WirePlan
from labwright.lesson.images import curriculum_images, find_image
from labwright.lesson.lab import Lab, LabLink, LabMachine, folder_of, write_lab
from labwright.lesson.outcome import EndpointOutcome, VerifyOutcome, failure
from labwright.lesson.read import read_lesson
from labwright.ui.views import error_facts

LOGINS = "---\nslug: {slug}\nsshUser: bob\nsshPassword: bobpass\nconfigUser: eve\nconfigPassword: evepass\n"


def invoke(*words: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    done = CliRunner().invoke(app, list(map(str, words)))
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def lab_of(lesson: Path, cache: Path, **more: object) -> Lab:
    """A lab of one machine and one link, whose keeper is this process."""
    folder = folder_of(lesson, Paths(cache))
    folder.mkdir(parents=True)
    machine = LabMachine(
        "r1", "frr", "u", "127.0.1.1", "10.0.0.101", ("52:0",), ("eth0",), {22: 4711}, folder / "console",
        lesson.parent / "serial", (folder / "q",), folder / "q", (1,), True,
    )  # fmt: skip
    end = WireEnd(folder / "a", folder / "b")
    link = LabLink("r1--r2", "r1", 1, "r2", 1, "", WirePlan("r1--r2", end, end))
    lab = Lab(
        "first-steps", lesson, lesson.parent / "out", folder, folder, "tcg", 1.0, (machine,), (link,), phase="ready",
        keeper=os.getpid(), keeper_start=process_start(os.getpid()),
    )  # fmt: skip
    return write_lab(dataclasses.replace(lab, **more))


def built(out: Path, *slugs: str) -> Path:
    out.mkdir(exist_ok=True)
    for slug in slugs:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", out / f"{slug}.qcow2", "1M"], check=True)
    return out


def described(folder: Path, *slugs: str) -> Path:
    for slug in slugs:
        (folder / slug).mkdir(parents=True)
        (folder / slug / "image.meta.yaml").write_text(LOGINS.format(slug=slug))
    return folder


@pytest.mark.parametrize("place", ["lessons/l", "lessons/group/l", "lessons/a/b/c/l", "lessons/lessons/l"])
@pytest.mark.parametrize("file", [True, False], ids=["curriculum.meta.yaml", "images alone"])
def test_a_lesson_that_is_sorted_into_folders_has_the_logins_of_its_curriculum(tmp_path, monkeypatch, place, file):
    monkeypatch.chdir(tmp_path)
    top = tmp_path / "cur"
    described(top / "images", "frr")
    (top / place).mkdir(parents=True)
    if file:
        (top / "curriculum.meta.yaml").touch()
    found = find_image("frr", built(tmp_path / "out", "frr"), image_folders(top / place))
    assert (found.user, found.password) == ("bob", "bobpass")
    assert (found.config_user, found.config_password) == ("eve", "evepass")


def test_nothing_above_a_curriculum_is_looked_into(tmp_path):
    top = tmp_path / "cur"
    top.mkdir()
    (top / "curriculum.meta.yaml").touch()
    assert curriculum_images(top / "lessons/l") == (top / "lessons/images", top / "images")


def test_a_lab_that_is_continued_from_another_folder_keeps_its_logins(tmp_path, monkeypatch, cache):
    """Where the user stood at `up` counts, not where he stands now."""
    project, elsewhere = tmp_path / "project", tmp_path / "else"
    described(project / "images", "frr", "utility")
    elsewhere.mkdir()
    lesson = read_lesson(write(tmp_path / "deep/er/l"))
    out = built(tmp_path / "out", "frr", "utility")
    monkeypatch.chdir(project)
    logins = image_folders(lesson.folder)
    lab = lab_of(lesson.folder, cache, images=out, logins=logins)
    monkeypatch.chdir(elsewhere)
    assert images_of(lesson, out, lab.logins)["frr"].config_user == "eve"
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(
        reach, "_become_ssh", lambda lab, machine, user, password, command: asked.append((user, password))
    )
    assert invoke("lesson", "ssh", lesson.folder, "r1") == (0, "", "")
    assert asked == [("bob", "bobpass")]


def test_a_lab_that_cannot_be_read_is_no_empty_list(cache):
    for name, text in (("old", '{"format": 99}'), ("torn", "{")):
        folder = cache / "labs" / name
        folder.mkdir(parents=True)
        (folder / "lab.json").write_text(text)
    code, said, wrong = invoke("lesson", "status")
    assert code == 3
    assert "no lesson is up" not in said
    assert wrong.count("cannot be read") == 2
    code, said, wrong = invoke("lesson", "status", "--json")
    facts = json.loads(said)
    assert (code, facts["labs"], wrong) == (3, [], "")
    assert [re.findall(r"labs/(\w+)/lab.json", one["what"]) for one in facts["unreadable"]] == [["old"], ["torn"]]
    assert {one["cause"] for one in facts["unreadable"]} == {"host"}


def test_labs_beside_one_that_cannot_be_read_are_shown(tmp_path, cache):
    lab_of(tmp_path / "l", cache)
    (cache / "labs/torn").mkdir()
    (cache / "labs/torn/lab.json").touch()
    code, said, _ = invoke("lesson", "status", "--json")
    assert (code, [lab["name"] for lab in json.loads(said)["labs"]]) == (3, ["first-steps"])
    code, said, wrong = invoke("lesson", "status")
    assert (code, "first-steps" in said, "cannot be read" in wrong) == (3, True, True)
    assert "frames not known" in said, "nothing was counted, which is not the same as nothing that passed"


def test_without_labs_nothing_is_wrong(cache):
    assert invoke("lesson", "status") == (0, "no lesson is up\n", "")
    assert json.loads(invoke("lesson", "status", "--json")[1]) == {"labs": [], "unreadable": []}


def test_what_a_program_is_told_of_a_failure_cannot_hide_the_failure():
    error = LabwrightError("it broke", cause=Cause.GUEST, facts={"what": "nothing", "endpoints": [1]})
    assert error_facts(error) | {"hint": ""} == {
        "what": "it broke", "cause": "guest", "hint": "", "details": [], "log": None, "exit_code": 7, "endpoints": [1],
    }  # fmt: skip


def test_the_error_of_a_stage_has_every_endpoint_as_data():
    good = EndpointOutcome("r1", True, 1, 2.0, ConfigurationResult(True, ""), Path("/log/r1"), Path("r1.py"))
    result = ConfigurationResult(False, "said", reason="it is off", where="stage1/configs/r2.py:3")
    bad = EndpointOutcome("r2", False, 2, 3.456, result, Path("/log/r2"), Path("r2.py"))
    facts = failure([good, bad], stage=1).facts
    assert facts["stage"] == 1
    assert [(one["endpoint"], one["ok"]) for one in facts["endpoints"]] == [("r1", True), ("r2", False)]
    assert facts["endpoints"][1] == {
        "endpoint": "r2", "ok": False, "tries": 2, "seconds": 3.46, "file": "r2.py", "difference": "",
        "reason": "it is off", "where": "stage1/configs/r2.py:3", "skipped": False, "log": "/log/r2",
    }  # fmt: skip


@pytest.mark.parametrize("state", ["pass", "fail"])
def test_checks_are_data_whether_they_pass_or_not(tmp_path, monkeypatch, cache, state):
    lab = lab_of(write(tmp_path / "l"), cache, stage=1)
    work = SimpleNamespace(lab=lab, lesson=read_lesson(tmp_path / "l"))
    why = {} if state == "pass" else {"reason": "no route", "where": "stage1/verify/r1.py:4"}
    one = VerifyOutcome("r1", state, 1.0, ("ok: it is there",), Path("/log/r1"), **why)
    # The package has the command `stage` where its module would be.
    commands = sys.modules["labwright.cli.lesson.stage"]
    monkeypatch.setattr(commands, "_work", lambda *_: contextlib.nullcontext(work))
    monkeypatch.setattr(commands, "verify", lambda *_: (one,))
    code, said, _ = invoke("lesson", "verify", tmp_path / "l", "--json")
    last = json.loads(said.splitlines()[-1])
    assert (code, last["kind"]) == ((0, "result") if state == "pass" else (7, "error"))
    assert last["stage"] == 1
    assert last["checks"] == [{
        "name": "r1", "state": state, "seconds": 1.0, "lines": ["ok: it is there"], "log": "/log/r1",
        "reason": why.get("reason", ""), "where": why.get("where", ""),
    }]  # fmt: skip


def test_a_lesson_that_cannot_be_read_has_its_findings_as_data(tmp_path, cache):
    write(tmp_path, {"lesson.meta.yaml": META.replace("b: leaf1", "b: leaf9").replace("tier: local", "tier: moon")})
    code, said, _ = invoke("lesson", "up", tmp_path, "--json")
    last = json.loads(said.splitlines()[-1])
    assert (code, last["kind"]) == (2, "error")
    found = {(one["kind"], one["line"], one["path"]) for one in last["findings"]}
    file = str(tmp_path / "lesson.meta.yaml")
    assert found >= {("connection", META.splitlines().index("  b: leaf1") + 1, file), ("meta", 4, file)}


@pytest.mark.parametrize(
    ("out", "why"),
    [
        (".", "it is a folder"), ("there", "it is a folder"), ("..", "it is a folder"),
        ("missing/x.svg", "there is no folder missing"), ("file/x.svg", "file is no folder"),
    ],
)  # fmt: skip
def test_a_drawing_that_cannot_be_written_is_refused_in_the_user_s_words(tmp_path, monkeypatch, out, why):
    write(tmp_path / "l")
    (tmp_path / "there").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    code, said, _ = invoke("lesson", "graph", "l", "--out", out, "--json")
    error = json.loads(said)["error"]
    assert (code, error["what"]) == (2, f"--out {out}: {why}")
    assert error["hint"] == "name a file in a folder that is there"


@pytest.mark.parametrize("out", ["file", "file/deep/er", "dangling"])
@pytest.mark.parametrize("command", ["pull", "nightly"])
def test_a_folder_that_cannot_be_one_is_refused_before_any_work(tmp_path, monkeypatch, cache, command, out):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    monkeypatch.chdir(tmp_path)
    # Nobody answers there: whoever asks the registry first tries again for a while.
    what = "127.0.0.1:9/a:b" if command == "pull" else str(tmp_path / "images")
    code, said, _ = invoke(command, what, "--out", out, "--json")
    last = json.loads(said.splitlines()[-1])
    assert (code, last["cause"]) == (2, "config")
    assert last["what"].startswith(f"--out {out}: ")


def test_a_capture_that_cannot_be_written_changes_nothing_of_the_link(tmp_path, cache):
    lab_of(tmp_path / "l", cache)
    words = ("lesson", "link", tmp_path / "l", "r1--r2", "--cut", "--json", "--capture")
    for place, what in ((tmp_path, "it is a folder"), (tmp_path / "no/x.pcap", f"there is no folder {tmp_path}/no")):
        code, said, _ = invoke(*words, place)
        assert (code, json.loads(said)["error"]["what"]) == (2, f"--capture {place}: {what}")


@pytest.mark.parametrize(("written", "said"), [
    ("r1 login: ", ("r1 login: ", "")),
    ("", ("", "r1 has written nothing to its console since it was resumed from a snapshot\n")),
])  # fmt: skip
def test_without_a_terminal_the_console_is_what_was_written_and_says_where_nothing_was(tmp_path, cache, written, said):
    lab = lab_of(tmp_path / "l", cache)
    lab = write_lab(dataclasses.replace(lab, machines=(dataclasses.replace(lab.machines[0], quick=True),)))
    lab.machines[0].console.write_text(written)
    assert invoke("lesson", "console", tmp_path / "l", "r1") == (0, *said)


@contextlib.contextmanager
def console(lesson: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command on a terminal of its own."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-P", "-m", "labwright", "lesson", "console", str(lesson), "r1"]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.wait(20)
        os.close(ours)


def said_until(terminal: int, wanted: str) -> str:
    """What the terminal shows, up to these words or its end."""
    shown, limit = "", time.monotonic() + 60
    while wanted not in shown and time.monotonic() < limit:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 4096).decode(errors="replace")
            except OSError:
                break
    return shown


def test_a_second_console_is_refused_instead_of_waiting_for_the_first_to_leave(tmp_path, cache):
    """QEMU would take its connection, show it nothing, and get what was typed there later."""
    lesson = tmp_path / "l"
    with socket.socket(socket.AF_UNIX) as serial, contextlib.ExitStack() as open_:
        serial.bind(str(tmp_path / "serial"))
        serial.listen(5)
        lab_of(lesson, cache)
        first, terminal = open_.enter_context(console(lesson))
        assert "Ctrl-] leaves" in said_until(terminal, "leaves")
        second, other = open_.enter_context(console(lesson))
        assert "another console of r1 is open" in said_until(other, "is open")
        assert second.wait(30) == 2
        os.write(terminal, b"\x1d")
        assert first.wait(30) == 0
        _, third = open_.enter_context(console(lesson))
        assert "Ctrl-] leaves" in said_until(third, "leaves")
