"""What ansible-playbook says, in the words of 2.18 and of 2.19: recorded from real runs, shortened."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright_configurators.playbook import SILENT, Reader

FILE = "stage0/configs/r1.yml"
OLD = """\
PLAY [all] *********************************************************************

TASK [not so important] ********************************************************
task path: /antidote/stage0/configs/r1.yml:4
fatal: [127.0.1.1]: FAILED! => {
    "changed": false,
    "msg": "not this one",
    "rc": 2
}
...ignoring

TASK [several] *****************************************************************
task path: /antidote/stage0/configs/r1.yml:7
changed: [127.0.1.1] => (item=/) => {
    "changed": true
}
failed: [127.0.1.1] (item=/nowhere) => {
    "changed": true,
    "invocation": {
        "msg": "not at the top"
    },
    "item": "/nowhere",
    "msg": "non-zero return code",
    "rc": 2,
    "stderr": "ls: cannot access '/nowhere': No such file or directory",
    "stdout": ""
}

PLAY RECAP *********************************************************************
127.0.1.1                  : ok=1    changed=0    unreachable=0    failed=1    skipped=0    rescued=0    ignored=1
"""
NEW = """\
PLAY [all] *********************************************************************

TASK [install] *****************************************************************
task path: /antidote/stage0/configs/r1.yml:7
[ERROR]: Task failed: Action failed: Module result deserialization failed: No start of json char found

Task failed: Action failed.
Origin: /antidote/stage0/configs/r1.yml:7:7

7     - name: several
        ^ column 7

fatal: [127.0.1.1]: FAILED! => {
    "changed": false,
    "module_stderr": "sh: 1: python3: not found\\n",
    "module_stdout": "",
    "msg": "Module result deserialization failed: No start of json char found",
    "rc": 127
}

PLAY RECAP *********************************************************************
127.0.1.1                  : ok=0    changed=0    unreachable=0    failed=1    skipped=0    rescued=0    ignored=0
"""
OLD_SYNTAX = """\
Parsed 127.0.1.1, inventory source with host_list plugin
ERROR! 'taskz' is not a valid attribute for a Play

The error appears to be in '/antidote/stage0/configs/r1.yml': line 1, column 3, but may
be elsewhere in the file depending on the exact syntax problem.
"""
NEW_SYNTAX = """\
Parsed 127.0.1.1, inventory source with host_list plugin
[ERROR]: YAML parsing failed: While parsing a flow node did not find expected node content.
Origin: /antidote/stage0/configs/r1.yml:3:1
"""
OUT_OF_REACH = """\
PLAY [all] ***
TASK [Gathering Facts] ***
task path: /antidote/stage0/configs/r1.yml:1
fatal: [127.0.1.1]: UNREACHABLE! => {
    "changed": false,
    "msg": "Failed to connect to the host via ssh: Permission denied (publickey,password).",
    "unreachable": true
}
"""


def read(text: str) -> Reader:
    reader = Reader(Path("/antidote"))
    for line in text.splitlines():
        reader.see(line)
    return reader


@pytest.mark.parametrize(
    ("text", "code", "place", "reason"),
    [
        (OLD, 2, f"{FILE}:7", "task 'several': non-zero return code: "
                              "ls: cannot access '/nowhere': No such file or directory"),
        (NEW, 2, f"{FILE}:7", "task 'install': Module result deserialization failed: No start of json char found: "
                              "sh: 1: python3: not found"),
        (OLD_SYNTAX, 4, f"{FILE}:1", "'taskz' is not a valid attribute for a Play"),
        (NEW_SYNTAX, 4, f"{FILE}:3", "YAML parsing failed: While parsing a flow node did not find expected node "
                                     "content."),
        (OUT_OF_REACH, 4, f"{FILE}:1", "unreachable: task 'Gathering Facts': Failed to connect to the host via ssh: "
                                       "Permission denied (publickey,password)."),
        ("", 250, "", "ansible-playbook ended with exit status 250"),
        ("PLAY RECAP ***\n", 0, "", SILENT),
    ],
)  # fmt: skip
def test_reason_and_place_are_those_of_the_task_that_failed_the_play(text, code, place, reason):
    reader = read(text)
    assert (reader.place, reader.reason(code)) == (place, reason)


def test_a_play_that_never_began_is_not_worth_another_try():
    assert not read(OLD_SYNTAX).began and not read(NEW_SYNTAX).began
    assert read(OUT_OF_REACH).began


def test_a_failure_that_was_ignored_is_none():
    text = OLD.partition("TASK [several]")[0] + "127.0.1.1 : ok=1    changed=0    unreachable=0    failed=0"
    assert read(text).reason(0) == ""


def test_people_see_tasks_and_results_and_not_the_rest():
    reader = Reader(Path("/antidote"))
    seen = [line for line in OLD.splitlines() if reader.see(line)]
    assert [line.partition(" ")[0] for line in seen] == ["PLAY", "TASK", "fatal:", "TASK", "changed:", "failed:"]


def test_a_difference_is_kept_without_what_stands_around_it():
    text = (
        "TASK [write] ***\ntask path: /antidote/x.yml:4\n<127.0.1.1> SSH: EXEC ssh\n--- before\n+++ after: /a\n"
        "@@ -0,0 +1 @@\n+one\n\nchanged: [127.0.1.1] => {\n    \"changed\": true\n}\n"
    )  # fmt: skip
    assert read(text).difference == "--- before\n+++ after: /a\n@@ -0,0 +1 @@\n+one"


@given(st.lists(st.text(max_size=60) | st.sampled_from(OLD.splitlines() + NEW.splitlines() + NEW_SYNTAX.splitlines())),
       st.integers(1, 255))  # fmt: skip
def test_no_output_is_too_odd(lines, code):
    reader = Reader(Path("/antidote"))
    for line in lines:
        assert reader.see(line) in {True, False}
    assert reader.reason(code) and len(reader.reason(code)) <= 300
    assert not reader.place.startswith("/")
