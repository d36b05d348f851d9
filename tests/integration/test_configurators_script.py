"""The runner of lessons' scripts: as `python FILE`, with commands that nobody waits for one after the other."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.endpoints import Machines, Stage, machines, own_network, stage
from support.frr.routers import wait_for
from support.scripts import TABLE

from labwright.host.run import run
from labwright.lesson.configure import configure_stage
from labwright.lesson.outcome import EndpointOutcome
from labwright_configurators.python import RUNNER

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces"),
    pytest.mark.timeout(600),
]
ADDRESS = re.compile(r"\b0x[0-9a-f]{8,}|\b[0-9a-f]{32}\b")
"""Of objects; and the mark that run() gives each child."""
HEAD = """\
import os, sys, paramiko
def connect():
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(os.environ["ANTIDOTE_TARGET_HOST"], username=os.environ["ANTIDOTE_TARGET_USERNAME"],
                   password=os.environ["ANTIDOTE_TARGET_PASSWORD"], allow_agent=False, look_for_keys=False)
    return client
"""


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    with own_network():
        yield


@pytest.fixture(scope="module")
def lab(network: None) -> Iterator[Machines]:
    with machines() as made:
        yield made


def python(folder: Path, lab: Machines, script: str) -> Stage:
    return stage(folder, {"stage0/configs/r1.py": HEAD + script}, [lab.endpoint("r1")])


def run_one(one: Stage, **work: object) -> EndpointOutcome:
    (outcome,) = configure_stage(one.work(**work), one.context())
    assert one.left() == []
    return outcome


def both(folder: Path, *words: str | Path, env: dict[str, str] | None = None) -> tuple[tuple[int, str, str], ...]:
    """What a script comes to by our runner, and by Python alone."""
    outcomes = [
        run([sys.executable, *before, *words], cwd=folder, env=env, accept=range(-64, 256), timeout=240)
        for before in ([RUNNER], [])
    ]
    return tuple((done.code, ADDRESS.sub("0x", done.output), ADDRESS.sub("0x", done.errors)) for done in outcomes)


# as `python FILE`


@pytest.mark.parametrize("name", TABLE)
def test_a_script_is_as_under_python_alone(tmp_path, name):
    if name == "a sibling that hides a library":
        (tmp_path / "scp.py").write_text("MINE = True\n")
    if name == "a folder beside that is no package":
        (tmp_path / "paramiko").mkdir()
    (tmp_path / "sibling.py").write_text("NAME = __name__\ndef fail():\n    raise OSError('sibling')\n")
    (tmp_path / "script.py").write_bytes(TABLE[name])
    ours, alone = both(tmp_path, "script.py", "one", "two words")
    assert ours == alone


@pytest.mark.parametrize("hidden", ["paramiko.py", "queue.py", "labwright_configurators/__init__.py"])
def test_a_file_beside_a_script_comes_before_a_module_that_we_use(tmp_path, hidden):
    (tmp_path / hidden).parent.mkdir(exist_ok=True)
    (tmp_path / hidden).write_text("MINE = 1\n")
    name = Path(hidden).parts[0].removesuffix(".py")
    (tmp_path / "script.py").write_text(f"import {name}\nprint({name}.MINE, {name}.__file__)\n")
    ours, alone = both(tmp_path, tmp_path / "script.py")
    assert ours == alone
    assert ours[0] == 0


@pytest.mark.parametrize("hidden", ["typing.py", "paramiko.py", "labwright_configurators.py", "script.py"])
def test_a_file_where_a_script_is_started_hides_no_library(tmp_path, hidden):
    (tmp_path / hidden).write_text("raise ValueError('the wrong file')\n")
    (tmp_path / "stage0").mkdir()
    (tmp_path / "stage0/r1.py").write_text("import typing, paramiko\nprint(paramiko.SSHClient)\n")
    ours, alone = both(tmp_path, "stage0/r1.py")
    assert ours == alone
    assert ours[0] == 0


def test_a_link_to_a_script_finds_what_lies_beside_the_file_that_it_leads_to(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/r.py").write_text("import sys, tool\nprint(__file__, sys.path[0], sys.argv)\n")
    (tmp_path / "shared/tool.py").write_text("")
    (tmp_path / "r1.py").symlink_to("shared/r.py")
    ours, alone = both(tmp_path, tmp_path / "r1.py")
    assert ours == alone
    assert ours[0] == 0


@pytest.mark.parametrize("words", [["nosuch.py"], ["."]])
def test_what_is_no_script_is_refused_in_pythons_words(tmp_path, words):
    ours, alone = both(tmp_path, *words)
    assert ours == alone
    assert ours[0] != 0


CHAINED = """\
import paramiko
client = paramiko.SSHClient()
def begin():
    client.exec_command("hostname")
try:
    begin()
except AttributeError as error:
    raise RuntimeError("no machine") from error
"""
GROUPED = """\
import paramiko
found = []
for _ in range(2):
    try:
        paramiko.SSHClient().exec_command("hostname")
    except Exception as error:
        found.append(error)
raise ExceptionGroup("both", found)
"""


@pytest.mark.parametrize("script", [CHAINED, GROUPED], ids=["in a chain", "in a group"])
def test_a_traceback_that_leads_through_us_does_not_show_us(tmp_path, script):
    (tmp_path / "r1.py").write_text(script)
    ours, alone = both(tmp_path, tmp_path / "r1.py")
    assert ours == alone
    assert "AttributeError" in ours[2]


def test_the_line_of_a_script_that_hangs_is_known_however_long_its_start_took(tmp_path, lab):
    """The last second was counted from the end of the start: a start of a second, and no line was shown in time."""
    script = "import os, time\nprint('LABWRIGHT_UNTIL' in os.environ)\ntime.sleep(600)\n"
    one = stage(tmp_path, {"stage0/configs/r1.py": script}, [lab.endpoint("r1")])
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow/sitecustomize.py").write_text("import time\ntime.sleep(2)\n")

    def slow(argv, env, **other):
        return run(argv, env={**env, "PYTHONPATH": str(tmp_path / "slow")}, **other)

    (outcome,) = configure_stage(one.work(limit=8.0), one.context(run_for=lambda _: slow))
    assert outcome.result.where == "stage0/configs/r1.py:3", outcome
    assert outcome.result.reason == "no end after 8 s; the last that it said: False"


# one after the other


def test_commands_that_nobody_waits_for_run_one_after_the_other(tmp_path, lab):
    """The slow one first: without order the last would be the first to end."""
    script = """
client = connect()
client.exec_command("sleep 0.6; echo one >> order")
client.exec_command("sleep 0.3; echo two >> order")
client.exec_command("echo three >> order")
client.close()
"""
    outcome = run_one(python(tmp_path, lab, script))
    assert outcome.ok, outcome
    assert (lab.home / "order").read_text().split() == ["one", "two", "three"]


def test_a_copy_comes_after_the_command_before_it_and_before_the_one_after_it(tmp_path, lab):
    script = """
client = connect()
client.exec_command("sleep 0.4; mkdir made")
sftp = client.open_sftp()
sftp.putfo(__import__("io").BytesIO(b"text"), "made/file")
client.exec_command("sleep 0.2; cp made/file copied")
"""
    assert run_one(python(tmp_path, lab, script)).ok
    assert (lab.home / "copied").read_text() == "text"


def test_the_eleventh_command_at_once_is_not_refused(tmp_path, lab):
    script = """
client = connect()
for number in range(25):
    client.exec_command(f"sleep 0.05; echo {number} >> many")
client.close()
"""
    outcome = run_one(python(tmp_path, lab, script))
    assert outcome.ok and outcome.tries == 1, outcome
    assert (lab.home / "many").read_text().split() == [str(number) for number in range(25)]


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("close", "client.close()"),
        ("the end of the script", ""),
        ("an exit", "sys.exit(0)"),
        ("the end of a function", "def f():\n    connect().exec_command('sleep 0.5; touch \"by-a function\"')\nf()"),
        ("the close of its transport", "client.get_transport().close()"),
        ("the end of a with", "with connect() as one:\n    one.exec_command('sleep 0.5; touch \"by-with\"')"),
    ],
)
def test_the_last_command_is_waited_for_however_the_script_ends(tmp_path, lab, name, end):
    mark = {"the end of a function": "by-a function", "the end of a with": "by-with"}.get(name, f"by-{name}")
    script = f"client = connect()\nclient.exec_command('sleep 0.5; touch \"{mark}\"')\n{end}\n"
    if name in {"the end of a function", "the end of a with"}:
        script = f"{end}\n"
    assert run_one(python(tmp_path, lab, script)).ok
    assert (lab.home / mark).exists()


def test_a_command_is_waited_for_after_an_exception_too_and_the_exception_stays_the_reason(tmp_path, lab):
    script = "client = connect()\nclient.exec_command('sleep 0.5; touch survived; exit 5')\nraise ValueError('mine')\n"
    outcome = run_one(python(tmp_path, lab, script))
    assert outcome.result.reason == "ValueError: mine"
    assert (lab.home / "survived").exists()


def test_a_status_that_nobody_looks_at_is_said_once_and_is_no_failure(tmp_path, lab):
    script = "client = connect()\nclient.exec_command('exit 7')\nclient.exec_command('true')\nclient.close()\n"
    one = python(tmp_path, lab, script)
    assert run_one(one).ok
    said = [line for line in one.logs().splitlines() if line.startswith("labwright: ")]
    assert said == ["labwright: exit status 7, which the script does not look at: exit 7"]


def test_a_status_that_the_script_looks_at_is_not_said_again(tmp_path, lab):
    script = """
client = connect()
_, out, _ = client.exec_command("exit 7")
assert out.channel.recv_exit_status() == 7
client.close()
"""
    one = python(tmp_path, lab, script)
    assert run_one(one).ok
    assert "labwright: " not in one.logs()


def test_an_exit_of_the_script_has_its_own_last_words_as_reason_and_not_ours(tmp_path, lab):
    script = "client = connect()\nclient.exec_command('exit 7')\nprint('no licence')\nsys.exit(3)\n"
    outcome = run_one(python(tmp_path, lab, script))
    assert outcome.result.reason == "it ended with exit status 3: no licence"


def test_a_command_that_is_killed_is_said_to_have_no_status(tmp_path, lab):
    one = python(tmp_path, lab, "client = connect()\nclient.exec_command('kill -9 $$')\nclient.close()\n")
    assert run_one(one).ok
    assert "labwright: an end by a signal, or of the connection, which the script does not look at" in one.logs()


def test_a_password_in_a_command_is_masked_where_the_command_is_said(tmp_path, lab):
    script = "client = connect()\nclient.exec_command('false ' + os.environ['ANTIDOTE_TARGET_PASSWORD'])\n"
    script = script.replace("'false ' + ", "'false \"' + ").replace("'])", "'] + '\"')")
    one = python(tmp_path, lab, script)
    assert run_one(one).ok
    assert "labwright: exit status 1" in one.logs()
    assert lab.password not in one.logs()


def test_output_is_still_there_for_who_reads_it_after_the_next_command(tmp_path, lab):
    script = """
client = connect()
_, first, errors = client.exec_command("echo one; echo two >&2")
client.exec_command("true")
assert (first.read(), errors.read()) == (b"one\\n", b"two\\n")
"""
    assert run_one(python(tmp_path, lab, script)).ok


def test_a_command_whose_output_is_read_later_does_not_wait_for_a_reader_that_waits_for_it(tmp_path, lab):
    script = """
client = connect()
_, much, _ = client.exec_command("head -c 9000000 /dev/zero")
client.exec_command("true")
assert len(much.read()) == 9000000
client.close()
"""
    one = python(tmp_path, lab, script)
    started = time.monotonic()
    outcome = run_one(one)
    assert outcome.ok, outcome
    assert time.monotonic() - started < 100
    assert "nobody has read its output yet" in one.logs()


def test_a_command_that_never_ends_holds_a_script_up_only_for_so_long_and_once(tmp_path, lab):
    script = """
order = sys.modules["labwright_configurators.order"]
import gc
(ours,) = [one for one in gc.get_objects() if type(one) is order.Order]
ours._patience = 1.0
client = connect()
client.exec_command("exec sleep 600")
client.exec_command("touch went-on")
client.close()
"""
    one = python(tmp_path, lab, script)
    outcome = run_one(one)
    assert outcome.ok, outcome
    assert 1 < outcome.seconds < 60
    # It is not waited for either where it takes a second.
    wait_for((lab.home / "went-on").exists, 60)
    assert one.logs().count("no end after 1 s, going on: exec sleep 600") == 1


def test_a_command_left_in_the_background_is_not_waited_for(tmp_path, lab):
    script = "client = connect()\nclient.exec_command('sleep 90 >/dev/null 2>&1 & echo began')\nclient.close()\n"
    outcome = run_one(python(tmp_path, lab, script))
    assert outcome.ok and outcome.seconds < 60


def test_connections_do_not_wait_for_each_other(tmp_path, lab):
    """A client that waits for a server on another machine must be able to."""
    script = """
server, client = connect(), connect()
server.exec_command("while ! test -e knocked; do sleep 0.1; done; touch answered")
client.exec_command("touch knocked")
client.close()
server.close()
"""
    outcome = run_one(python(tmp_path, lab, script), limit=100.0)
    assert outcome.ok, outcome
    assert (lab.home / "answered").exists()


def test_threads_that_share_a_connection_each_have_their_command_run(tmp_path, lab):
    script = """
from concurrent.futures import ThreadPoolExecutor
client = connect()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda n: client.exec_command(f"touch by-thread-{n}"), range(8)))
client.close()
"""
    assert run_one(python(tmp_path, lab, script)).ok
    assert len(list(lab.home.glob("by-thread-*"))) == 8


def test_a_connection_that_breaks_ends_the_wait(tmp_path, lab):
    script = """
client = connect()
client.exec_command("kill -9 $PPID; sleep 600")
client.close()
"""
    one = python(tmp_path, lab, script)
    outcome = run_one(one)
    assert outcome.ok and outcome.seconds < 60, outcome
    assert "of the connection" in one.logs()
