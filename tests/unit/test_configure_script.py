"""Where and why a script failed, read from what a real Python says; and no text that we stumble over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.guest.job import Ran
from labwright.guest.script import Failure, failure_of, last_traceback

FILE = Path("stage0/configs/r1.py")
SCRIPTS = {
    "raise ValueError('no')": Failure("ValueError: no", f"{FILE}:1", True, "ValueError"),
    "import json\njson.loads('x')": Failure(
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)", f"{FILE}:2", True, "JSONDecodeError"
    ),
    "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e": Failure(
        "KeyError: 'k'", f"{FILE}:4", True, "KeyError"
    ),
    "raise ValueError": Failure("ValueError", f"{FILE}:1", True, "ValueError"),
    "raise ValueError('one\\ntwo')": Failure("ValueError: one", f"{FILE}:1", True, "ValueError"),
    "x = 1\nrouter bgp 1": Failure("SyntaxError: invalid syntax", f"{FILE}:2", False, "SyntaxError"),
    "if 1:\nprint()": Failure(
        "IndentationError: expected an indented block after 'if' statement on line 1", f"{FILE}:2", False,
        "IndentationError",
    ),
    "import nosuchmodule": Failure(
        "ModuleNotFoundError: No module named 'nosuchmodule'", f"{FILE}:1", False, "ModuleNotFoundError"
    ),
    "import sys\nsys.exit('no licence')": Failure("it ended with exit status 1: no licence", str(FILE)),
    "import sys\nsys.exit(3)": Failure("it ended with exit status 3, and said nothing", str(FILE)),
    "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)": Failure("it was ended by signal 15", str(FILE)),
    "def f():\n    f()\nf()": Failure("RecursionError: maximum recursion depth exceeded", f"{FILE}:2", True,
                                      "RecursionError"),
    "class E(Exception): pass\nraise E('a: b')": Failure("E: a: b", f"{FILE}:2", True, "E"),
}  # fmt: skip


def ended(folder: Path, text: str) -> Failure:
    """A real Python's end."""
    script = folder / FILE
    script.parent.mkdir(parents=True)
    script.write_text(f"{text}\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=30)
    lines = tuple((done.stdout + done.stderr).splitlines())
    return failure_of(Ran(done.returncode, done.stdout, done.stderr, lines, 1.0), folder, FILE, 30)


@pytest.mark.parametrize("text", SCRIPTS)
def test_where_and_why_are_what_python_says(tmp_path, text):
    assert ended(tmp_path, text) == SCRIPTS[text]


def test_an_error_in_a_library_is_at_the_line_of_the_lesson_that_called_it(tmp_path):
    failure = ended(tmp_path, "import pathlib\n\n\npathlib.Path('/not/there').read_text()")
    assert failure.where == f"{FILE}:4"
    assert failure.reason.startswith("FileNotFoundError")


def test_of_a_group_of_exceptions_the_last_is_the_reason(tmp_path):
    failure = ended(tmp_path, "raise ExceptionGroup('both', [ValueError('one'), KeyError('two')])")
    assert failure.where == f"{FILE}:1"
    assert failure.raised in {"ExceptionGroup", "KeyError"}


def test_a_hang_is_at_the_line_that_faulthandler_says(tmp_path):
    script = tmp_path / FILE
    script.parent.mkdir(parents=True)
    script.write_text(
        "import faulthandler, time\nfaulthandler.dump_traceback_later(0.2, exit=True)\n"
        "def wait():\n    time.sleep(30)\nprint('so far', flush=True)\nwait()\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=30)
    lines = tuple((done.stdout + done.stderr).splitlines())
    failure = failure_of(Ran(None, done.stdout, done.stderr, lines, 2.0), tmp_path, FILE, 2.0)
    assert failure == Failure("no end after 2 s; the last that it said: so far", f"{FILE}:4")


def test_a_frame_outside_of_the_lesson_is_no_place_in_it():
    lines = ["Traceback (most recent call last):", '  File "/antidote2/x.py", line 3, in f', "ValueError: no"]
    assert last_traceback(lines, Path("/antidote")).where == ""


@given(st.lists(st.text(max_size=60) | st.sampled_from(
    ["Traceback (most recent call last):", '  File "/antidote/x.py", line 3, in f', "ValueError:", "  | KeyError: 1"]
)))  # fmt: skip
def test_no_output_is_too_odd(lines):
    found = last_traceback(lines, Path("/antidote"))
    assert found.where in {"", "x.py:3"} or found.where.partition(":")[0]
    failure = failure_of(Ran(1, "", "\n".join(lines), tuple(lines), 0.1), Path("/antidote"), FILE, 1)
    assert failure.reason and failure.where and len(failure.reason) < 400
