"""What goes wrong with a lesson's job, as in a lab: in a room, against a real sshd in a network of its own."""

from __future__ import annotations

import functools
import os
import resource
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.endpoints import Machines, Stage, machines, own_network, stage

from labwright.errors import Cause
from labwright.host.ledger import Ledger
from labwright.interfaces import (
    ConfigurationJob,
    ConfigurationResult,
    DriverFacts,
    Endpoint,
    LessonConfigurator,
    Workbench,
)
from labwright.lesson.configure import configure_stage
from labwright.lesson.outcome import EndpointOutcome, failure
from labwright.lesson.room import open_rooms

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces"),
    pytest.mark.timeout(600),
]
MEBIBYTE = 1 << 20
CONNECT = """\
import os
import paramiko

client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect(
    "r1", username=os.environ["ANTIDOTE_TARGET_USERNAME"], password=os.environ["ANTIDOTE_TARGET_PASSWORD"]
)
"""
PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: look at what is not there
      ansible.builtin.command: ls /not/there/at/all
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Machines]:
    with own_network(), machines() as made:
        yield made


@pytest.fixture(scope="module")
def run_for(lab: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Any]]:
    place = tmp_path_factory.mktemp("rooms")
    with open_rooms({"r1": "127.0.1.1", "r2": "127.0.1.2"}, place / "s", Ledger(place / "l")) as rooms:
        yield lambda copy: functools.partial(rooms.run, lesson=copy)


def made(folder: Path, lab: Machines, kind: str, name: str, text: str, **other: object) -> Stage:
    return stage(folder, {f"stage0/configs/{name}": text}, [lab.endpoint("r1", **other)], r1=kind)


def configured(one: Stage, run_for: Callable[[Path], Any], lab: Machines, **work: object) -> EndpointOutcome:
    """Configure the only endpoint. Whatever happened, no copy is left, no password shown, and no traceback of ours."""
    context = one.context(run_for=run_for, seen_at=Path("/antidote"))
    (outcome,) = configure_stage(one.work(**work), context)
    assert one.left() == []
    shown = "\n".join([*one.said, *([] if outcome.ok else failure([outcome]).details), outcome.result.reason])
    assert lab.password not in one.logs() + shown
    assert "core/src/labwright" not in shown
    return outcome


def python(folder: Path, lab: Machines, script: str, **other: object) -> Stage:
    return made(folder, lab, "python", "r1.py", script, **other)


def running(mark: str) -> bool:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    return mark.encode() in b"".join(found)


def test_a_script_in_a_room_configures_its_endpoint_by_its_name(tmp_path, lab, run_for):
    script = CONNECT + "client.exec_command('sleep 0.3; touch from-a-room')\nclient.close()\n"
    outcome = configured(python(tmp_path, lab, script), run_for, lab)
    assert outcome.ok and outcome.tries == 1, outcome
    assert (lab.home / "from-a-room").exists()


def test_a_script_that_hangs_is_ended_with_its_children_and_its_line_is_named(tmp_path, lab, run_for):
    mark = f"9876.{uuid.uuid4().int % 10**12}"
    script = f"""\
import subprocess, time
subprocess.Popen(["setsid", "sleep", "{mark}"])
print("waiting for the moon")
def wait():
    time.sleep(600)
wait()
"""
    one = python(tmp_path, lab, script)
    started = time.monotonic()
    outcome = configured(one, run_for, lab, limit=10.0)
    assert time.monotonic() - started < 60
    assert outcome.result.where == "stage0/configs/r1.py:5"
    assert outcome.result.reason == "no end after 10 s; the last that it said: waiting for the moon"
    assert not any("Thread 0x" in line for line in one.said)
    assert not running(mark)


def test_an_exit_status_of_three_and_an_exception_are_told_apart(tmp_path, lab, run_for):
    three = configured(python(tmp_path / "a", lab, "print('no licence')\nraise SystemExit(3)\n"), run_for, lab)
    assert three.result.reason == "it ended with exit status 3: no licence"
    raised = configured(python(tmp_path / "b", lab, "import os\n\nos.stat('/not/there')\n"), run_for, lab)
    assert raised.result.where == "stage0/configs/r1.py:3"
    assert raised.result.reason.startswith("FileNotFoundError")
    assert (three.tries, raised.tries) == (3, 3)


def test_an_endpoint_that_does_not_answer_is_named_as_that(tmp_path, lab, run_for):
    script = CONNECT.replace('"r1",', '"r1", port=2222,')
    outcome = configured(python(tmp_path, lab, script, port=2222), run_for, lab)
    assert "127.0.1.1 port 2222 does not answer (Connection refused)" in outcome.result.reason
    assert outcome.result.where == "stage0/configs/r1.py:6"


def test_a_wrong_password_is_the_scripts_line(tmp_path, lab, run_for):
    outcome = configured(python(tmp_path, lab, CONNECT, password="another one"), run_for, lab)
    assert outcome.result.where == "stage0/configs/r1.py:6"
    assert "uthentication" in outcome.result.reason


def test_a_failing_task_is_named_with_its_line(tmp_path, lab, run_for):
    outcome = configured(made(tmp_path, lab, "ansible", "r1.yml", PLAY), run_for, lab)
    assert outcome.result.where == "stage0/configs/r1.yml:4"
    assert outcome.result.reason.startswith("task 'look at what is not there': ")


def test_a_playbook_that_works_works_in_a_room(tmp_path, lab, run_for):
    play = PLAY.replace("ls /not/there/at/all", "touch by-a-playbook")
    outcome = configured(made(tmp_path, lab, "ansible", "r1.yml", play), run_for, lab)
    assert outcome.ok, outcome
    assert (lab.home / "by-a-playbook").exists()


def test_a_candidate_that_is_no_xml_is_named_with_its_line_before_anybody_connects(tmp_path, lab, run_for):
    one = made(tmp_path, lab, "napalm", "r1-junos.txt", "<configuration>\n  <system>\n</configuration>\n")
    outcome = configured(one, run_for, lab)
    assert outcome.result.where == "stage0/configs/r1-junos.txt:3"
    assert "no well-formed XML: mismatched tag" in outcome.result.reason
    assert outcome.tries == 1


def test_a_job_that_fills_its_tmp_fails_and_fills_nothing_of_the_hosts(tmp_path, lab, run_for):
    script = """\
with open("/tmp/full", "wb") as stream:
    while True:
        stream.write(bytes(1 << 22))
"""
    outcome = configured(python(tmp_path, lab, script), run_for, lab)
    assert outcome.result.reason == "OSError: [Errno 28] No space left on device"
    assert outcome.result.where == "stage0/configs/r1.py:3"
    assert outcome.tries == 3
    assert not Path("/tmp/full").exists()


def used(place: Path) -> int:
    facts = os.statvfs(place)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


@pytest.fixture
def own_disk(tmp_path, monkeypatch) -> Iterator[Path]:
    """Where copies are made, in memory or beside the lesson: what others write meanwhile is not in there."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "none", place], check=True)
    monkeypatch.setattr("labwright.lesson.configure_copy.MEMORY", place)
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_job_that_fills_the_lessons_copy_fails_and_fills_nothing_of_the_hosts(own_disk, lab, run_for):
    before = used(own_disk)
    seen: list[int] = []

    def watched(copy: Path) -> Any:
        def run(*argv: Any, **options: Any) -> Any:
            try:
                return run_for(copy)(*argv, **options)
            finally:
                seen.append(used(own_disk))

        return run

    script = "with open('/antidote/full', 'wb') as stream:\n    while True:\n        stream.write(bytes(1 << 22))\n"
    outcome = configured(python(own_disk, lab, script), watched, lab)
    assert outcome.result.reason == "OSError: [Errno 28] No space left on device"
    assert outcome.result.where == "stage0/configs/r1.py:3"
    assert len(seen) == outcome.tries == 3
    assert max(seen) - before < 500 * MEBIBYTE


@pytest.mark.parametrize("in_memory", [True, False], ids=["in memory", "on the disk"])
def test_folders_nested_beyond_measure_go_with_the_job(tmp_path, lab, run_for, monkeypatch, in_memory):
    monkeypatch.setattr("labwright.lesson.configure.fit_memory", lambda *_: in_memory)
    script = "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\n"
    outcome = configured(python(tmp_path, lab, script), run_for, lab)
    assert outcome.ok, outcome
    assert outcome.tries == 1


def test_a_copy_is_the_same_for_all_that_a_job_runs_and_for_its_driver(tmp_path, lab, run_for):
    """Drivers of third parties start several commands, and look at what they have left."""

    class Driver(LessonConfigurator):
        interface_version = 5
        facts = DriverFacts("several commands")

        def candidates(self, endpoint: Endpoint) -> tuple[str, ...]:
            return (f"{endpoint.name}.py",)

        def configure(self, job: ConfigurationJob, bench: Workbench) -> ConfigurationResult:
            (job.lesson / "by-driver").write_text("one")
            bench.run(["sh", "-c", "cat by-driver > by-job"], cwd=job.folder)
            bench.run(["sh", "-c", "echo -n two >> by-job"], cwd=job.folder)
            return ConfigurationResult(True, (job.lesson / "by-job").read_text())

    one = python(tmp_path, lab, "")
    context = one.context(run_for=run_for, seen_at=Path("/antidote"), driver=lambda _: Driver())
    (outcome,) = configure_stage(one.work(), context)
    assert outcome.result.output == "onetwo", outcome
    assert one.left() == []


@pytest.mark.parametrize("line", ["y", "y" * 5000], ids=["of short lines", "of long lines"])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_flood_of_output_ends_its_job_and_fills_neither_memory_nor_log(tmp_path, lab, run_for, line, stream):
    script = f"""\
import sys
block = {line + chr(10)!r} * (1 + 100_000 // {len(line) + 1})
for _ in range(100_000_000 // len(block)):
    sys.{stream}.write(block)
"""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    one = python(tmp_path, lab, script)
    outcome = configured(one, run_for, lab, limit=150.0)
    assert not outcome.ok and outcome.tries == 1
    assert "it wrote more than 32 MiB" in outcome.result.reason
    assert outcome.cause is Cause.GUEST
    assert outcome.log.stat().st_size < 40 * MEBIBYTE
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024 < 250
    assert sum(map(len, one.said)) < MEBIBYTE


INTERRUPTED = """\
import functools, sys
from pathlib import Path
from labwright.host.ledger import Ledger
from labwright.lesson.configure import configure_stage
from labwright.lesson.room import open_rooms
from support.endpoints import machines, own_network, stage

folder, mark = Path(sys.argv[1]), sys.argv[2]
hangs = "import time, subprocess\\n"
hangs += f"subprocess.Popen(['setsid', 'sleep', '{mark}'])\\nprint('here')\\ntime.sleep(600)\\n"
with own_network(), machines() as lab, open_rooms({}, folder / "s", Ledger(folder / "l")) as rooms:
    files = {f"stage0/configs/r{n}.py": hangs for n in (1, 2, 3)}
    one = stage(folder, files, [lab.endpoint(f"r{n}", n) for n in (1, 2, 3)])
    run_for = lambda copy: functools.partial(rooms.run, lesson=copy)
    say = lambda line: print(line, flush=True)
    try:
        configure_stage(one.work(), one.context(run_for=run_for, seen_at=Path("/antidote"), say=say))
    except KeyboardInterrupt:
        print("left:", one.left())
"""


def test_ctrl_c_ends_every_job_with_its_children_and_leaves_no_copy(tmp_path):
    mark = f"9876.{uuid.uuid4().int % 10**12}"
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, tmp_path, mark], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert process.stdout is not None
    begun = {process.stdout.readline().strip() for _ in range(3)}
    assert begun == {"r1: here", "r2: here", "r3: here"}
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=300)
    assert time.monotonic() - started < 60
    assert said.splitlines()[-1] == "left: []"
    assert not running(f"sleep\0{mark}")
