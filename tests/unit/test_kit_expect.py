"""Expectations: one line each, all of them made, and the exit code of the process however it ends."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from labwright.errors import Cause
from labwright.kit import KitError, expect, wait_for

IMPORT = "from labwright.kit import expect\n"
BAD = "expect.equal(1, 2, 'one is two')\n"


def run(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", IMPORT + text], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("", 1),
        ("expect.done()\n", 1),
        ("import sys; sys.exit()\n", 1),
        ("import sys; sys.exit(0)\n", 1),
        ("raise SystemExit('words')\n", 1),
        ("raise ValueError('other')\n", 1),
        ("import os; os._exit(5)\n", 5),
        ("import os\nif os.fork() == 0: raise SystemExit(0)\nassert os.wait()[1] == 0\n", 1),
        ("import atexit; atexit.register(print, 'theirs')\n", 1),
    ],
)
def test_a_failed_expectation_is_the_exit_code_however_the_script_ends(end: str, code: int) -> None:
    done = run(f"{BAD}expect.that(True, 'the sky is blue')\n{end}")
    assert done.stdout.startswith("FAIL: one is two: it is 1, not 2\nok: the sky is blue\n")
    assert done.returncode == code


@pytest.mark.parametrize(("end", "code"), [("", 0), ("expect.done()\n", 0), ("raise SystemExit(3)\n", 3)])
def test_without_a_failure_the_scripts_own_exit_code_stands(end: str, code: int) -> None:
    done = run(f"expect.equal(2, 2, 'two is two')\n{end}")
    assert (done.stdout, done.returncode) == ("ok: two is two\n", code)


def test_output_that_waits_in_a_buffer_is_not_lost() -> None:
    done = run(f"{BAD}import sys; sys.stdout.write('no end of line'); sys.stderr.write('errors')\n")
    assert done.stdout.endswith("no end of line")
    assert done.stderr == "errors"
    assert done.returncode == 1


def test_an_expectation_stays_one_line_and_cannot_drive_the_terminal() -> None:
    done = run("expect.equal('a\\nok: forged', 'b\\x1b[31m', 'two\\nlines\\x1b]0;title\\x07')\n")
    assert len(done.stdout.splitlines()) == 1
    assert "\x1b" not in done.stdout


def test_what_becomes_true_in_time_is_so_and_what_does_not_shows_its_last_evidence() -> None:
    done = run(
        "found = iter([0, 0, 7])\nexpect.eventually(lambda: next(found), 'seven comes', every=0.01)\n"
        "expect.eventually(lambda: [], 'something comes', timeout=0.05, every=0.01)\n"
    )
    assert done.stdout == "ok: seven comes\nFAIL: something comes: the last answer was []\n"
    assert done.returncode == 1


def test_a_mistake_in_the_authors_condition_is_raised_at_once_and_not_waited_for() -> None:
    with pytest.raises(TypeError):
        wait_for(lambda: len(3), timeout=20)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("route(None, '10.0.0.1/24', timeout=90)", "the network of it is 10.0.0.0/24"),
        ("route(None, '10.0.0.0/33', timeout=90)", "prefix: '10.0.0.0/33' is not a prefix"),
        ("route(None, '10.0.0.0/24', via='10.0.0', timeout=90)", "via: '10.0.0' is not an address"),
        ("bgp_established(None, 'spoke', timeout=90)", "neighbor: 'spoke' is not an address"),
    ],
)
def test_a_wrong_argument_is_the_script_s_mistake_and_told_before_any_wait(call: str, said: str) -> None:
    started = time.monotonic()
    done = run(f"expect.{call}\n")
    assert time.monotonic() - started < 20
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "KitError" in done.stderr


def test_what_time_cannot_mend_is_not_waited_for() -> None:
    def asked() -> object:
        raise KitError("'a b' is not the name of a service", cause=Cause.CONFIG)

    lines: list[str] = []
    with pytest.raises(KitError, match="not the name of a service"):
        wait_for(asked, timeout=20)
    with expect.gathered(lines), pytest.raises(KitError, match="not the name of a service"):
        expect.eventually(asked, "it runs", timeout=20)
    assert lines == []


def test_a_wait_returns_the_true_answer_and_names_what_it_waited_for() -> None:
    assert wait_for(lambda: "yes", 1) == "yes"
    with pytest.raises(KitError, match=r"(?s)the moon: not so after 0\.05 s.*OSError: too far"):
        wait_for(lambda: (_ for _ in ()).throw(OSError("too far")), 0.05, 0.01, "the moon")


def test_the_kit_brings_a_script_no_library_that_it_does_not_use() -> None:
    text = ("import sys\nfrom labwright.kit import target, connect, Host\n"
            "heavy = ('pydantic', 'requests', 'jinja2', 'napalm', 'ansible')\n"
            "print([name for name in heavy if name in sys.modules])")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n"
