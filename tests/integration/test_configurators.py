"""The configurators python and ansible against a real sshd: what an author sees of each failure, and no password."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.endpoints import Machines, Stage, machines, own_network, stage

from labwright.errors import Cause, LabwrightError
from labwright.lesson.configure import configure_stage
from labwright.lesson.outcome import EndpointOutcome, failure
from labwright.lesson.verify import verify_stage

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces"),
    pytest.mark.timeout(600),
]

CONNECT = """\
import os
import paramiko

client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect(
    os.environ["ANTIDOTE_TARGET_HOST"],
    username=os.environ["ANTIDOTE_TARGET_USERNAME"],
    password=os.environ["ANTIDOTE_TARGET_PASSWORD"],
)
_, out, _ = client.exec_command("touch configured-$LABWRIGHT; echo done by $USER")
print(out.read().decode())
assert out.channel.recv_exit_status() == 0
client.close()
"""
PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: write a file
      ansible.builtin.copy:
        content: "one\\n"
        dest: ~/by-ansible
"""
FAILS = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: look at what is not there
      ansible.builtin.command: ls /not/there/at/all
"""


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    with own_network():
        yield


@pytest.fixture(scope="module")
def lab(network: None) -> Iterator[Machines]:
    with machines() as made:
        yield made


def python(folder: Path, lab: Machines, script: str, **other: object) -> Stage:
    return stage(folder, {"stage0/configs/r1.py": script}, [lab.endpoint("r1", **other)])


def ansible(folder: Path, lab: Machines, playbook: str, **other: object) -> Stage:
    return stage(folder, {"stage0/configs/r1.yml": playbook}, [lab.endpoint("r1", **other)], r1="ansible")


def run_one(one: Stage, lab: Machines, **work: object) -> EndpointOutcome:
    """Configure its only endpoint. Whatever happened: nothing is left, and the password is nowhere."""
    (outcome,) = configure_stage(one.work(**work), one.context())
    assert one.left() == []
    shown = "\n".join([one.logs(), *one.said, repr(outcome), *([] if outcome.ok else said(failure([outcome])))])
    assert lab.password not in shown
    assert "labwright/" not in shown.replace("-labwright/", ""), "no traceback of ours"
    return outcome


def said(error: LabwrightError) -> list[str]:
    return [error.what, *error.details, error.hint]


# python


def test_a_script_configures_its_endpoint_with_the_platforms_variables(tmp_path, lab):
    one = python(tmp_path, lab, CONNECT.replace("$LABWRIGHT", "by-python"))
    outcome = run_one(one, lab)
    assert outcome.ok and outcome.tries == 1, outcome
    assert (lab.home / "configured-by-python").exists()
    assert "r1: done by antidote" in one.said


def test_a_script_knows_stage_lesson_and_the_other_endpoints(tmp_path, lab):
    script = """\
import json, os, pathlib
assert os.environ["ANSIBLE_HOST_KEY_CHECKING"] == "False"
assert os.environ["LABWRIGHT_ENDPOINT"] == "r1" and os.environ["LABWRIGHT_STAGE"] == "0"
assert json.loads(os.environ["LABWRIGHT_ENDPOINTS"]) == {"r1": "127.0.1.1", "r2": "127.0.1.2"}
assert (pathlib.Path(os.environ["LABWRIGHT_LESSON"]) / "lesson.meta.yaml").read_text() == "x"
"""
    files = {"stage0/configs/r1.py": script, "lesson.meta.yaml": "x"}
    one = stage(tmp_path, files, [lab.endpoint("r1"), lab.endpoint("r2", 2)])
    one.kinds["r2"] = None
    assert run_one(one, lab).ok


@pytest.mark.parametrize(
    "ending",
    ["", "os.mkfifo(__file__)", "os.symlink('/dev/zero', __file__)", "os.mkdir(__file__)",
     "open(__file__, 'w').write('# nothing')"],
    ids=["nothing", "a pipe", "an endless device", "a folder", "comments"],
)  # fmt: skip
def test_a_script_that_puts_something_in_its_own_place_is_judged_by_what_its_author_wrote(tmp_path, lab, ending):
    """On a machine that does not answer: a script of comments alone would have failed there."""
    one = python(tmp_path, lab, f"import os\nos.remove(__file__)\n{ending}\n", port=2222)
    started = time.monotonic()
    outcome = run_one(one, lab, limit=120.0)
    assert outcome.ok and outcome.tries == 1, outcome
    assert time.monotonic() - started < 60


def test_a_script_of_comments_fails_where_the_machine_does_not_answer(tmp_path, lab):
    assert not run_one(python(tmp_path / "a", lab, "# nothing yet\n", port=2222), lab).ok
    assert run_one(python(tmp_path / "b", lab, "# nothing yet\n"), lab).ok


def test_a_script_that_raises_is_shown_with_its_innermost_line_in_the_lesson(tmp_path, lab):
    script = "import sys, os\nsys.path.insert(0, os.path.dirname(__file__))\nimport helper\n\nhelper.work()\n"
    one = python(tmp_path, lab, script)
    (one.lesson / "stage0/configs/helper.py").write_text("import json\n\ndef work():\n    json.loads('no')\n")
    outcome = run_one(one, lab)
    assert not outcome.ok
    assert outcome.tries == 3
    assert outcome.result.where == "stage0/configs/helper.py:4"
    assert outcome.result.reason.startswith("json.decoder.JSONDecodeError: Expecting value")
    assert any(line.startswith("r1: stage0/configs/helper.py:4: json.decoder") for line in failure([outcome]).details)


def test_a_script_that_prints_its_password_has_it_masked_in_all_that_is_kept(tmp_path, lab):
    script = """\
import json, os, urllib.parse, base64, sys
secret = os.environ["ANTIDOTE_TARGET_PASSWORD"]
print("plain", secret, "json", json.dumps(secret), "repr", repr(secret), "url", urllib.parse.quote(secret))
print("basic", base64.b64encode(("antidote:" + secret).encode()).decode(), file=sys.stderr)
raise ValueError(secret)
"""
    one = python(tmp_path, lab, script)
    outcome = run_one(one, lab)
    assert "plain ******** json" in one.logs()
    assert outcome.result.reason == "ValueError: ********"
    assert lab.password[3:] not in one.logs()


def test_a_script_that_hangs_is_ended_at_the_time_limit_and_its_last_words_are_shown(tmp_path, lab):
    one = python(tmp_path, lab, 'import time\nprint("waiting for the moon")\ntime.sleep(600)\n')
    started = time.monotonic()
    outcome = run_one(one, lab, limit=6.0)
    assert time.monotonic() - started < 60
    assert outcome.tries == 1
    assert outcome.result.reason == "no end after 6 s; the last that it said: waiting for the moon"
    assert outcome.result.where == "stage0/configs/r1.py:3"


def test_a_script_that_exits_with_three_has_failed_with_what_it_said_last(tmp_path, lab):
    outcome = run_one(python(tmp_path, lab, 'print("no licence")\nraise SystemExit(3)\n'), lab)
    assert outcome.result.reason == "it ended with exit status 3: no licence"
    assert outcome.result.where == "stage0/configs/r1.py"
    assert outcome.tries == 3


def test_a_traceback_that_was_caught_is_not_taken_for_the_reason(tmp_path, lab):
    script = (
        "import sys, traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\nsys.exit(4)\n"
    )
    outcome = run_one(python(tmp_path, lab, script), lab)
    assert outcome.result.reason.startswith("it ended with exit status 4")


def test_a_script_that_is_no_python_is_shown_with_its_line_and_not_tried_again(tmp_path, lab):
    outcome = run_one(python(tmp_path, lab, "import os\n\nhostname router\n"), lab)
    assert outcome.result.where == "stage0/configs/r1.py:3"
    assert outcome.result.reason == "SyntaxError: invalid syntax"
    assert outcome.tries == 1


def test_an_endpoint_where_nobody_listens_is_named_as_that(tmp_path, lab):
    outcome = run_one(
        python(tmp_path, lab, CONNECT.replace('PASSWORD"],', 'PASSWORD"],\n    port=2222,'), port=2222), lab
    )
    assert "127.0.1.1 port 2222 does not answer (Connection refused)" in outcome.result.reason
    assert outcome.result.where == "stage0/configs/r1.py:6"


def test_a_wrong_password_is_the_scripts_line_and_the_servers_word(tmp_path, lab):
    outcome = run_one(python(tmp_path, lab, CONNECT, password="another one"), lab)
    assert outcome.result.where == "stage0/configs/r1.py:6"
    assert "uthentication" in outcome.result.reason
    assert outcome.tries == 3


def test_an_empty_script_is_fine_on_a_machine_that_answers_and_not_on_one_that_is_down(tmp_path, lab):
    assert run_one(python(tmp_path / "up", lab, "# nothing to do\n"), lab).ok
    down = run_one(python(tmp_path / "down", lab, "# nothing to do\n", port=2222), lab)
    assert not down.ok


def test_a_dry_run_of_a_script_runs_nothing_and_says_so(tmp_path, lab):
    one = python(tmp_path, lab, "raise ValueError\n")
    outcome = run_one(one, lab, dry_run=True)
    assert outcome.ok and outcome.result.skipped
    assert "not run" in outcome.result.output


def test_what_a_terminal_would_obey_reaches_nobody(tmp_path, lab):
    one = python(tmp_path, lab, r'print("\x1b[2J\x1b]0;title\x07red \x1b[31mtext", flush=True)' + "\n")
    run_one(one, lab)
    assert "r1: red text" in one.said
    assert "\x1b" not in one.logs()


# ansible


def test_a_playbook_configures_its_endpoint(tmp_path, lab):
    one = ansible(tmp_path, lab, PLAY)
    outcome = run_one(one, lab)
    assert outcome.ok and outcome.tries == 1, outcome
    assert (lab.home / "by-ansible").read_text() == "one\n"
    assert any(line.startswith("r1: TASK [write a file]") for line in one.said)
    assert "task path: " in one.logs(), "the log has all of -vvvv"


def test_a_dry_run_of_a_playbook_shows_the_difference_and_changes_nothing(tmp_path, lab):
    place = lab.home / "dry"
    outcome = run_one(ansible(tmp_path, lab, PLAY.replace("by-ansible", "dry")), lab, dry_run=True)
    assert outcome.ok, outcome
    assert "+one" in outcome.result.difference
    assert not place.exists()


def test_a_failing_task_is_shown_by_its_name_its_words_and_its_line(tmp_path, lab):
    outcome = run_one(ansible(tmp_path, lab, FAILS), lab)
    assert outcome.result.where == "stage0/configs/r1.yml:4"
    assert "look at what is not there" in outcome.result.reason
    assert "No such file or directory" in outcome.result.reason
    assert outcome.tries == 3


def test_a_failure_that_the_playbook_ignores_is_none(tmp_path, lab):
    assert run_one(ansible(tmp_path, lab, FAILS + "      ignore_errors: true\n"), lab).ok


def test_a_wrong_password_makes_the_endpoint_unreachable(tmp_path, lab):
    outcome = run_one(ansible(tmp_path, lab, PLAY, password="another one"), lab)
    assert "unreachable" in outcome.result.reason
    assert outcome.result.where == "stage0/configs/r1.yml:4"


def test_a_playbook_for_nobody_is_not_called_a_success(tmp_path, lab):
    outcome = run_one(ansible(tmp_path, lab, PLAY.replace("all", "somebody")), lab)
    assert not outcome.ok
    assert "hosts: all" in outcome.result.reason


@pytest.mark.parametrize(
    ("playbook", "line"),
    [("- hosts: all\n  tasks: [\n", 3), ("- hosts: all\n  taskz: []\n", 2), ("hosts: all\n", 1)],
)
def test_a_file_that_is_no_playbook_is_shown_with_its_line_and_not_tried_again(tmp_path, lab, playbook, line):
    outcome = run_one(ansible(tmp_path, lab, playbook), lab)
    assert not outcome.ok
    assert outcome.result.where == f"stage0/configs/r1.yml:{line}", outcome
    assert outcome.tries == 1


def test_a_playbook_that_hangs_is_ended_with_the_name_of_its_task(tmp_path, lab):
    outcome = run_one(ansible(tmp_path, lab, FAILS.replace("ls /not/there/at/all", "sleep 600")), lab, limit=20.0)
    assert outcome.result.reason == "no end after 20 s, in task 'look at what is not there'"
    assert outcome.result.where == "stage0/configs/r1.yml:4"


# the stage


def test_a_file_that_is_missing_stops_all_before_anything_runs(tmp_path, lab):
    files = {"stage0/configs/r1.py": "open('ran', 'w')\n", "stage0/configs/xr2.py": ""}
    one = stage(tmp_path, files, [lab.endpoint("r1"), lab.endpoint("r2", 2), lab.endpoint("r3", 3)], r3="napalm")
    with pytest.raises(LabwrightError) as caught:
        configure_stage(one.work(), one.context(run_for=lambda _: pytest.fail("something ran")))
    assert caught.value.cause is Cause.CONFIG
    text = "\n".join(said(caught.value))
    assert "r2" in text and "stage0/configs/r2.py" in text and "stage0/configs/r3-junos.txt" in text


def test_one_endpoint_that_fails_stops_no_other_and_all_are_in_one_error(tmp_path, lab):
    files = {
        "stage0/configs/r1.py": "raise KeyError('x')\n", "stage0/configs/r2.py": CONNECT.replace("$LABWRIGHT", "two"),
        "stage0/configs/r3.yml": FAILS,
    }  # fmt: skip
    endpoints = [lab.endpoint("r1"), lab.endpoint("r2", 2), lab.endpoint("r3", 3)]
    one = stage(tmp_path, files, endpoints, r3="ansible")
    outcomes = configure_stage(one.work(), one.context())
    assert [(each.endpoint, each.ok) for each in outcomes] == [("r1", False), ("r2", True), ("r3", False)]
    assert (lab.home / "configured-two").exists()
    error = failure(outcomes)
    assert error.what == "2 of 3 endpoints could not be configured: r1, r3"
    assert any("stage0/configs/r1.py:1: KeyError: 'x' (3 tries)" in line for line in error.details)
    assert any("stage0/configs/r3.yml:4" in line for line in error.details)


def test_each_try_has_a_fresh_copy_and_the_lesson_stays_as_it_was(tmp_path, lab):
    script = """\
import os, pathlib
here = pathlib.Path(os.environ["LABWRIGHT_LESSON"])
assert not (here / "dirt").exists() and not (here / ".git").exists()
(here / "dirt").touch()
(here / "data").write_text("spoilt")
raise ValueError("again")
"""
    one = python(tmp_path, lab, script)
    (one.lesson / "data").write_text("clean")
    (one.lesson / ".git").mkdir()
    outcome = run_one(one, lab)
    assert outcome.result.reason == "ValueError: again"
    assert (one.lesson / "data").read_text() == "clean"


def test_a_second_try_that_succeeds_is_a_success(tmp_path, lab):
    script = f"import pathlib\nplace = pathlib.Path({str(tmp_path / 'mark')!r})\n"
    script += "if not place.exists():\n    place.touch()\n    raise OSError('not yet')\n"
    outcome = run_one(python(tmp_path, lab, script), lab)
    assert outcome.ok and outcome.tries == 2


def test_a_machine_that_dies_ends_its_job_at_once(tmp_path, lab):
    one = python(tmp_path, lab, "import time\ntime.sleep(600)\n")
    died = time.monotonic() + 1.5

    def alive(name: str) -> LabwrightError | None:
        gone = LabwrightError(f"the machine of {name} ended", cause=Cause.GUEST)
        return gone if time.monotonic() > died else None

    (outcome,) = configure_stage(one.work(), one.context(alive=alive))
    assert outcome.result.reason == "the machine of r1 ended"
    assert outcome.seconds < 60 and outcome.tries == 1
    assert one.left() == []


def test_endpoints_without_a_configuration_type_are_left_alone(tmp_path, lab):
    one = stage(tmp_path, {}, [lab.endpoint("r1")], r1=None)
    assert configure_stage(one.work(), one.context()) == ()


# verify


def test_verify_has_three_states_and_shows_the_lines_of_its_checks(tmp_path, lab):
    files = {
        "stage0/verify/r1.py": "import os\nprint('ok: ' + os.environ['LABWRIGHT_ENDPOINT'])\nprint('noise')\n",
        "stage0/verify/whole.py": "import os\nassert 'ANTIDOTE_TARGET_HOST' not in os.environ\nprint('ok: alone')\n",
        "stage0/verify/says-no.py": "print('ok: one')\nprint('FAIL: two is not there')\nraise SystemExit(1)\n",
        "stage0/verify/asserts.py": "x = 1\nassert x == 2, 'x is one'\n",
        "stage0/verify/forgets.py": "print('FAIL: and went on')\n",
        "stage0/verify/breaks.py": "print('ok: so far')\nraise KeyError('bgp')\n",
        "stage0/verify/hangs.py": "import time\ntime.sleep(600)\n",
        "stage0/verify/.hidden.py": "raise ValueError\n",
    }
    one = stage(tmp_path, files, [lab.endpoint("r1")])
    found = {outcome.name: outcome for outcome in verify_stage(one.work(limit=20.0), one.context())}
    states = {name: outcome.state for name, outcome in found.items()}
    assert states == {
        "r1": "pass", "whole": "pass", "says-no": "fail", "asserts": "fail", "forgets": "fail", "breaks": "error",
        "hangs": "error",
    }  # fmt: skip
    assert found["r1"].lines == ("ok: r1",)
    assert found["says-no"].reason == "two is not there"
    assert found["asserts"].where == "stage0/verify/asserts.py:2"
    assert found["breaks"].reason == "KeyError: 'bgp'"
    assert "r1: ok: r1" in one.said and "r1: noise" not in one.said
    assert one.left() == []


def test_a_stage_without_checks_has_no_outcomes(tmp_path, lab):
    one = stage(tmp_path, {}, [lab.endpoint("r1")])
    assert verify_stage(one.work(), one.context()) == ()


def test_the_network_of_these_tests_is_their_own():
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
