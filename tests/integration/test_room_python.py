"""A script that is run in place sees, says and leaves what it would under an interpreter of its own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from support.scripts import TABLE

from labwright.host.ledger import Ledger
from labwright.lesson.room import open_rooms

ADDRESS = re.compile(r"\b0x[0-9a-f]{8,}")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("rooms")
    with open_rooms({"leaf1": "127.0.1.1"}, place / "scratch", Ledger(place / "ledger")) as rooms:
        yield rooms


@pytest.fixture
def lesson(tmp_path) -> Path:
    lesson = tmp_path / "lesson"
    lesson.mkdir()
    (lesson / "sibling.py").write_text("NAME = __name__\ndef fail():\n    raise OSError('sibling')\n")
    return lesson


def both(rooms, lesson: Path, *words: str, env=None, stdin=None):
    """What a call comes to in place, and under a new interpreter: env(1) starts one."""
    codes = range(-64, 256)
    outcomes = [
        rooms.run([*before, *words], lesson=lesson, accept=codes, timeout=60, env=env, stdin=stdin)
        for before in ([], ["/usr/bin/env"])
    ]
    return [(done.code, ADDRESS.sub("0x", done.output), ADDRESS.sub("0x", done.errors)) for done in outcomes]


@pytest.mark.parametrize("name", TABLE)
def test_a_script_in_place_is_as_one_under_a_new_interpreter(place, lesson, name):
    (lesson / "script.py").write_bytes(TABLE[name])
    if name == "a sibling that hides a library":
        (lesson / "scp.py").write_text("MINE = True\n")
    if name == "a folder beside that is no package":
        (lesson / "paramiko").mkdir()
    in_place, new = both(place, lesson, "python", "script.py", "one", "two words")
    assert in_place == new


@pytest.mark.parametrize(
    "words",
    [
        ["python", "-u", "sub/script.py"],
        ["python3", "/antidote/sub/script.py", "-x"],
        [sys.executable, "./sub/../sub/script.py"],
        ["python", "link.py"],
        ["python", "-m", "sub.script", "one"],
        ["python", "-m", "sibling"],
        ["python", "-m", "sub"],
        ["python", "-m", "json.tool", "data.json"],
        ["python", "-m", "nosuch"],
        ["python", "nosuch.py"],
        ["python", "sub"],
        ["python", "-c", "print(1)"],
        ["python", "-O", "sub/script.py"],
        ["python", "--version"],
        ["python"],
        ["python", "-"],
        ["python", "/dev/stdin"],
        ["python", ""],
        ["python", "-m", ""],
    ],
    ids=" ".join,
)
def test_ways_to_call_python_come_to_the_same(place, lesson, words):
    (lesson / "sub").mkdir()
    (lesson / "sub/__main__.py").write_text("print('main of a folder', __package__, __spec__ and __spec__.name)")
    (lesson / "sub/script.py").write_text(
        "import sys; print(sys.argv, sys.path[0], __file__, __name__, __package__, sys.orig_argv[1:], sys.executable)"
    )
    (lesson / "link.py").symlink_to("sub/script.py")
    (lesson / "data.json").write_text("[1]")
    in_place, new = both(place, lesson, *words, stdin="print('from standard input')\n")
    if words[0] == "python" and "-m" in words:
        # A module that was found in place has our name for the interpreter, as a new one has.
        assert in_place[0] == new[0]
    assert in_place == new


@pytest.mark.parametrize("variable", [{"PYTHONOPTIMIZE": "2"}, {"PYTHONPATH": "/antidote/more"}, {"TZ": "Asia/Tokyo"},
                                      {"LC_ALL": "C"}, {"PYTHONWARNINGS": "error"}, {"OTHER": "x"}])  # fmt: skip
def test_variables_that_python_reads_at_its_start_count(place, lesson, variable):
    (lesson / "script.py").write_text(
        "import sys, os, time\nprint(sys.flags, sys.path, time.tzname, sys.stdout.encoding, os.environ.get('OTHER'))\n"
        "import warnings; warnings.warn('w')"
    )
    in_place, new = both(place, lesson, "python", "script.py", env=variable)
    assert in_place == new


def test_scripts_really_run_in_the_warm_interpreter(place, lesson):
    """Without which the table above would compare a thing with itself."""
    (lesson / "script.py").write_text("import sys; print('labwright.kit' in sys.modules)")
    in_place, new = both(place, lesson, "python", "script.py")
    assert in_place == (0, "True\n", "")
    assert new == (0, "False\n", "")


def test_no_two_scripts_draw_the_same_numbers(place, lesson):
    (lesson / "script.py").write_text(
        "import os, random, ssl, tempfile\n"
        "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey\n"
        "print(random.random(), ssl.RAND_bytes(8).hex(), os.urandom(8).hex(), tempfile.mktemp(),"
        " Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex())"
    )
    drawn = [place.run(["python", "script.py"], lesson=lesson).output.split() for _ in range(4)]
    for column in zip(*drawn, strict=True):
        assert len(set(column)) == len(drawn)
