"""Scripts and templates of lessons' authors: how they end, what they may, and what they pay for."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from labwright.errors import Cause, LabwrightError
from labwright.kit import KitError, expect, napalm_template, node, wait_for

EXPECT = "import os, sys\nfrom labwright.kit import expect\n"


def script(tmp_path, text: str, **more: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "check.py"
    path.write_text(text)
    return subprocess.run([sys.executable, path], capture_output=True, text=True, check=False, timeout=60,
                          env=os.environ | more)  # fmt: skip


@pytest.mark.parametrize(
    ("rest", "code", "printed"),
    [
        ("sys.exit(0)", 1, ""),
        ("sys.exit('words')", 1, ""),
        ("raise KeyError('a bug of the author')", 1, ""),
        ("expect.done()\nprint('never')", 1, ""),
        ("if os.fork() == 0:\n    sys.exit(0)\nprint(os.waitstatus_to_exitcode(os.wait()[1]))", 1, "0\n"),
        ("import subprocess\nprint(subprocess.run([sys.executable, '-c', '']).returncode)", 1, "0\n"),
        ("import atexit\natexit.register(print, 'said at the end')", 1, "said at the end\n"),
        ("sys.stdout.write('without a line feed')", 1, "without a line feed"),
        ("with expect.gathered([]):\n    expect.that(False, 'x')", 1, ""),
    ],
)
def test_however_a_script_ends_after_a_failure_its_exit_code_says_so(tmp_path, rest, code, printed):
    done = script(tmp_path, f"{EXPECT}expect.that(False, 'water flows up')\n{rest}\n")
    assert done.returncode == code, done.stderr
    assert done.stdout == f"FAIL: water flows up\n{printed}"


@pytest.mark.parametrize(
    ("rest", "code"),
    [("expect.done()", 0), ("raise KeyError", 1), ("sys.exit(4)", 4), ("with expect.gathered([]):\n"
                                                                       "    expect.that(False, 'x')", 0)],
)  # fmt: skip
def test_where_all_is_well_the_exit_code_is_the_scripts_own(tmp_path, rest, code):
    assert script(tmp_path, f"{EXPECT}expect.that(True, 'water flows down')\n{rest}\n").returncode == code


def test_evidence_is_one_line_and_cannot_drive_the_terminal_or_stop_the_script(tmp_path):
    done = script(tmp_path, EXPECT + "expect.that(False, 'a\\nb', '\\x1b[31mok: \\udcff red\\nok: all fine')\n")
    assert done.stdout == "FAIL: a b: ok: red ok: all fine\n"


def test_each_expectation_says_whether_it_is_met():
    lines: list[str] = []
    with expect.gathered(lines) as found:
        assert expect.equal(1, 1)
        assert not expect.equal(1, 2, "they are one")
        assert not expect.eventually(lambda: 1 / 1 == 2, "it comes", timeout=0.05, every=0.01)
    assert lines == ["ok: it is 1", "FAIL: they are one: it is 1, not 2", "FAIL: it comes: the last answer was False"]
    assert len(found.failures) == 2


def test_a_wait_takes_errors_of_the_network_for_not_yet_and_a_bug_for_a_bug():
    tries: list[int] = []

    def third() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionRefusedError("not yet")
        return "there"

    assert wait_for(third, 5, 0.01) == "there"
    with pytest.raises(KitError, match=r"(?s)the moon: not so after 0.05 s.*OSError: no moon"):
        wait_for(lambda: (_ for _ in ()).throw(OSError("no moon")), 0.05, 0.01, "the moon")
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        wait_for(lambda: 1 / 0, 30)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("from labwright import kit", {"paramiko", "pydantic", "requests", "jinja2", "yaml"}),
        ("from labwright.kit import target, expect", {"pydantic", "requests", "jinja2"}),
        ("from labwright.kit import render, load_node", {"paramiko", "requests", "jinja2"}),
        ("from labwright.kit import rest; rest.ensure", {"paramiko", "pydantic", "jinja2"}),
    ],
)
def test_a_script_pays_for_no_library_that_it_does_not_use(tmp_path, text, absent):
    done = script(tmp_path, f"{text}\nimport sys\nprint(*sorted({absent!r} & set(sys.modules)))\n")
    assert (done.stdout, done.stderr) == ("\n", "")


def test_an_error_of_the_kit_is_a_sentence_with_the_authors_line(tmp_path):
    done = script(tmp_path, "from labwright import kit\n\ndef f():\n    kit.load_node('absent.yaml')\n\nf()\n",
                  ANTIDOTE_TARGET_HOST="x")  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"{tmp_path}/check.py:4: error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "found"),
    [("{}", {}), ('{"r1": "10.0.0.1"}', {"r1": "10.0.0.1"}), ("[]", None), ("{", None), ('{"a": 1}', None)],
)
def test_the_lessons_machines_are_a_mapping_or_an_error(monkeypatch, text, found):
    from labwright.kit import endpoints

    monkeypatch.setenv("LABWRIGHT_ENDPOINTS", text)
    if found is None:
        with pytest.raises(KitError, match="LABWRIGHT_ENDPOINTS"):
            endpoints()
    else:
        assert endpoints() == found


MODEL = node({"hostname": "r1", "interfaces": [{"index": 1, "ipv4": ["10.0.0.1/30"]}]})


def loaded(name: str) -> object:
    if name != "r1.yaml":
        raise LabwrightError(f"there is no file {name}", cause=Cause.CONFIG, hint="write it")
    return MODEL


def template(text: str, driver: str = "eos", **more: object) -> str:
    return napalm_template(text, loaded, {"driver": driver, **more}, "r1-eos.j2")  # type: ignore[arg-type]


@pytest.mark.parametrize("driver", ["junos", "eos", "ios", "nxos", "nxos_ssh", "frr"])
def test_every_driver_of_the_platform_has_its_rendering(driver):
    assert "10.0.0.1" in template("{{ render('r1.yaml') }}", driver)


def test_values_of_the_lesson_are_there_and_are_no_templates_themselves():
    assert template("! {{ word }}\n", word="{{ 7 * 7 }}") == "! {{ 7 * 7 }}\n"


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("\n\n{{ render('absent.yaml') }}", 3, "no file absent.yaml"),
        ("\n{{ model('r1.yaml').nothing }}", 2, "nothing"),
        ("{% for x in [1] %}\n{% include 'interfaces' %}{% endfor %}", 2, "needs a node"),
        ("{{ ''.__class__ }}", 1, "unsafe"),
        ("{{ '{0.__class__}'.format(1) }}", 1, "unsafe"),
        ("{{ model.__globals__ }}", 1, "unsafe"),
        ("{{ render.__globals__['os'] }}", 1, "unsafe"),
        ("{% set _ = [].append(1) %}", 1, "unsafe"),
        ("{% import 'os' as os %}", 1, "to include"),
        ("{% extends '/etc/passwd' %}", 1, "to include"),
        ("{% for x in range(10 ** 9) %}{% endfor %}", 1, "ange"),
        ("{{ render('r1.yaml', 'networkd') }}", 1, "several files"),
        ("{{ render('r1.yaml', 'winbox') }}", 1, "no rendering"),
        ("{{ render() }}", 1, "argument"),
        ("{{ 'a' + 1 }}", 1, "concatenate"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", 1, "recursion"),
        ("ok\n{{ a", 2, "unexpected"),
    ],
)
def test_a_template_that_may_not_or_cannot_is_named_with_its_line(text, line, word):
    with pytest.raises(KitError) as caught:
        template(text)
    assert caught.value.what.startswith(f"r1-eos.j2:{line}: "), caught.value.what
    assert word in caught.value.what
    assert caught.value.cause is Cause.CONFIG
