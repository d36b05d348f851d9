"""The dialogue with a console that means no good: silence, floods, control sequences, secrets, ends in the middle."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.errors import Cause, LabwrightError
from labwright.host.text import plain
from labwright_nos.dialogue.clean import Cleaner
from labwright_nos.dialogue.console import LONGEST, Console, SocketWire
from labwright_nos.dialogue.engine import first_boot
from labwright_nos.dialogue.session import Session
from labwright_nos.dialogue.transcript import LARGEST, MASK, Transcript
from labwright_nos.profile import load_profile
from labwright_nos.profile.model import Credentials, Profile

SECRET = "hunter2-and-more"
PROFILE = """\
name: lab-os
title: A system for tests
hardware: {machines: [{name: box, memory: 128}]}
interfaces: {management: eth0, data: {name: "eth{number}"}}
console:
  settle: 0.05
  prompts: {shell: '^lab[>#] $'}
  credentials: [{user: admin, password: admin}]
  states:
    - state: power-on
      limit: 20
      quiet: 0.3
      answers:
        - {expect: 'login: $', send: '{{ user }}', next: password}
        - {prompt: shell, next: work}
    - state: password
      limit: 20
      answers:
        - {expect: 'Password: $', send: '{{ password }}'}
        - {notice: 'Login incorrect', refused: true, next: power-on}
        - {prompt: shell, next: work}
    - state: work
      commands: {prompt: shell, limit: 20, errors: ['^% '], lines: 'user {{ ssh_user }} {{ ssh_password }}'}
      next: done
"""
"""Its limits are those of a slow machine; a test that runs into one shortens that, see ending_in."""
Device = Callable[[socket.socket], None]


def ending_in(state: str) -> str:
    """The profile where this state is over after a second."""
    return re.sub(rf"(?s)(state: {state}\n.*?limit: )20", r"\g<1>1", PROFILE, count=1)


@contextlib.contextmanager
def talking_to(device: Device, tmp_path: Path, text: str = PROFILE) -> Iterator[Session]:
    """A session with a device that is a function in a thread, over a real socket."""
    ours, theirs = socket.socketpair()

    def run() -> None:
        with contextlib.suppress(OSError), theirs:
            device(theirs)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    transcript = Transcript(tmp_path / "console", [SECRET])
    with ours:
        console = Console(SocketWire(ours), transcript)
        values = {"ssh_user": "antidote", "ssh_password": SECRET, "hostname": "lab"}
        yield Session(
            profile(tmp_path, text), console, values, [Credentials(user="admin", password="admin")], lambda _: None
        )
    transcript.close()
    thread.join(5)
    assert not thread.is_alive()


def profile(tmp_path: Path, text: str) -> Profile:
    path = tmp_path / "lab-os.yaml"
    path.write_text(text)
    return load_profile(path)


def failure(device: Device, tmp_path: Path, text: str = PROFILE) -> LabwrightError:
    started = time.monotonic()
    with talking_to(device, tmp_path, text) as session, pytest.raises(LabwrightError) as caught:
        first_boot(session)
    assert caught.value.cause is Cause.GUEST
    assert caught.value.hint
    assert time.monotonic() - started < 18
    said = (tmp_path / "console").read_text() + caught.value.what + "".join(caught.value.details)
    assert plain(said) == said, "nothing that drives a terminal"
    return caught.value


def until_closed(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def saying(*texts: bytes) -> Device:
    """It says these, each after a line was typed, and then listens."""

    def device(connection: socket.socket) -> None:
        for text in texts:
            connection.sendall(text)
            if not connection.recv(4096):
                return
        until_closed(connection)

    return device


def test_a_silent_console_is_said_to_be_silent(tmp_path):
    error = failure(until_closed, tmp_path, ending_in("power-on"))
    assert error.what == "lab-os, state power-on: nothing at all came within 1 s"
    assert "serial port" in error.hint
    assert error.details == ("(the console is empty)",)


@pytest.mark.parametrize("line", [b"all is well" * 9, b"all is well" * 9 + b"\r\n"], ids=["no line ends", "lines"])
def test_a_flood_ends_at_the_time_limit_and_is_called_one(tmp_path, line):
    def flood(connection: socket.socket) -> None:
        while True:
            connection.sendall(line * 600)

    error = failure(flood, tmp_path, ending_in("power-on"))
    assert re.search(
        r"state power-on: what it waits for did not come within 1 s, but \d+ MB of other things", error.what
    )
    assert "floods" in error.hint
    assert max(map(len, error.details)) <= 400
    assert (tmp_path / "console").stat().st_size < LARGEST + 100_000


def test_a_question_that_nobody_knows_is_in_the_error_with_the_state_and_what_came_before(tmp_path):
    device = saying(b"Lab OS 1.0\r\nlogin: ", b"admin\r\nAccept the licence? [y/n]: ")
    error = failure(device, tmp_path, ending_in("password"))
    assert error.what.startswith("lab-os, state password: it shows 'Accept the licence? [y/n]:', and nothing else came")
    assert "add an answer" in error.hint
    assert error.details[0] == "Lab OS 1.0"


def test_no_enter_is_pressed_at_a_question_that_nobody_knows(tmp_path):
    typed = []

    def device(connection: socket.socket) -> None:
        connection.sendall(b"Erase the disk? [yes]: ")
        while data := connection.recv(4096):
            typed.append(data)

    failure(device, tmp_path, ending_in("power-on"))
    assert typed == []


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x1b]0;title\x07", b"\x1b]52;c;ZXZpbA==\x07", b"\x1b[2J\x1b[H", b"\x1bP+q\x1b\\", "\u202e\u2066".encode(),
        b"\xff\xfe\xc3", b"\x9b31m\x9c", b"\x00\x08\x07\x0e", b"\x1b]0;" + b"a" * 5000, b"\x1b[" + b"1;" * 500 + b"m",
    ],
)  # fmt: skip
def test_control_sequences_reach_neither_the_error_nor_the_log(tmp_path, hostile):
    device = saying(hostile + b"\r\n" + hostile + b"Really? [y/n]: " + hostile)
    error = failure(device, tmp_path, ending_in("power-on"))
    assert "state power-on" in error.what


@pytest.mark.parametrize("hostile", [b"\x1b[0m", b"\x1b]0;x\x07", b"\x1b[?2004h", b"\x00"])
def test_sequences_in_the_middle_of_a_prompt_do_not_hide_it(tmp_path, hostile):
    device = saying(b"lo" + hostile + b"gin: ", b"Pass" + hostile + b"word: ", b"\r\nlab" + hostile + b"> ")
    with talking_to(device, tmp_path, ending_in("work")) as one:
        with pytest.raises(LabwrightError) as caught:
            first_boot(one)
        assert "state work" in caught.value.what


def test_braces_in_a_password_from_elsewhere_are_typed_as_they_are(tmp_path):
    """The profile's own logins are templates; a secret that is named in build.login is none."""
    typed = []

    def device(connection: socket.socket) -> None:
        for text in (b"login: ", b"Password: "):
            connection.sendall(text)
            typed.append(connection.recv(4096))

    with talking_to(device, tmp_path) as session:
        session.logins = [Credentials(user="admin", password="{{ ssh_user }}")]
        session.__post_init__()
        with pytest.raises(LabwrightError):
            first_boot(session)
    assert typed == [b"admin\r", b"{{ ssh_user }}\r"]


def test_a_console_that_goes_in_the_middle_is_gone(tmp_path):
    def device(connection: socket.socket) -> None:
        connection.sendall(b"Kernel panic: out of luck\r\nlogin: ")
        connection.recv(100)

    error = failure(device, tmp_path)
    assert re.search(r"state (power-on|password): the console is gone|takes nothing any more", error.what)
    assert "Kernel panic: out of luck" in error.details


def test_wrong_credentials_are_named_without_their_passwords(tmp_path):
    answers = itertools.cycle([b"login: ", b"admin\r\nPassword: ", b"\r\nLogin incorrect\r\n\r\n"])

    def device(connection: socket.socket) -> None:
        connection.sendall(next(answers))
        while connection.recv(4096):
            connection.sendall(next(answers))

    error = failure(device, tmp_path)
    assert error.what == "lab-os, state password: no login was taken; tried: admin"
    assert "build.login" in error.hint


def test_a_refused_command_is_shown_without_its_password(tmp_path):
    def device(connection: socket.socket) -> None:
        connection.sendall(b"lab> ")
        for sign in connection.recv(4096).replace(b"\r", b"\r\n"):
            connection.sendall(bytes([sign]))
            time.sleep(0.002)
        connection.sendall(b"% no room for " + SECRET.encode() + b"\r\nlab> ")
        until_closed(connection)

    error = failure(device, tmp_path)
    assert f"`user antidote {MASK}` was refused: % no room for {MASK}" in error.what
    everything = error.what + "".join(error.details) + (tmp_path / "console").read_text()
    assert SECRET not in everything
    assert MASK in everything


def test_a_device_that_echoes_nothing_is_understood_all_the_same(tmp_path):
    """A terminal with its echo switched off: the time decides that its prompt is a new one."""

    def device(connection: socket.socket) -> None:
        connection.sendall(b"lab> ")
        connection.recv(4096)
        connection.sendall(b"\r\nlab# ")
        until_closed(connection)

    with talking_to(device, tmp_path) as session:
        assert first_boot(session) == ["power-on", "work"]


PIECES = st.lists(
    st.sampled_from(
        [
            b"\x1b", b"[", b"]", b"0;t", b"\x07", b"\\", b"31m", b"\r", b"\n", b"\r\n", b"\b", b"a", b"login: ",
            "\u00e9\u202e".encode(), b"\xc3", b"\xff", b"\x9c", b"\x00", b" ", b"P", b"(", b"B", b"\x1b]" + b"x" * 300,
            b"\x1b[" + b"1" * 70, SECRET.encode(), SECRET.encode()[:7], SECRET.encode()[7:], b"pin",
        ]
    ),
    max_size=40,
)  # fmt: skip


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@settings(deadline=None)
@given(PIECES, st.lists(st.integers(0, 5000), max_size=20))
def test_however_bytes_are_cut_the_text_is_the_same(pieces, places):
    data = b"".join(pieces)
    whole, parts = Cleaner(), Cleaner()
    expected = whole.feed(data) + whole.flush()
    assert "".join(parts.feed(part) for part in cut(data, places)) + parts.flush() == expected
    assert plain(expected) == expected


@settings(max_examples=60, deadline=None)
@given(PIECES, st.lists(st.integers(0, 5000), max_size=20))
def test_however_text_is_cut_the_log_is_the_same_and_without_secrets(tmp_path_factory, pieces, places):
    text = plain(b"".join(pieces).decode(errors="replace").replace("\r", "\n"))
    folder = tmp_path_factory.mktemp("log")
    logs = []
    for name, parts in (("whole", [text]), ("cut", [part.decode() for part in cut_text(text, places)])):
        transcript = Transcript(folder / name, [SECRET, "pin"])
        for part in parts:
            transcript.add(part)
            assert SECRET not in "".join(transcript.tail(1000))
        transcript.close()
        logs.append((folder / name).read_text())
    assert logs[0] == logs[1] == (transcript.masked(text))
    assert SECRET not in logs[0]


def cut_text(text: str, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [text[start:end].encode() for start, end in itertools.pairwise(edges)]


@pytest.mark.parametrize("columns", [5, 16, 40])
def test_a_secret_that_a_terminal_wraps_is_masked(tmp_path, columns):
    line = f"lab> user antidote {SECRET} and {SECRET}"
    wrapped = " \r".join(line[start : start + columns] for start in range(0, len(line), columns))
    cleaner, transcript = Cleaner(), Transcript(tmp_path / "console", [SECRET])
    for sign in wrapped.encode():
        transcript.add(cleaner.feed(bytes([sign])))
    shown = "\n".join(transcript.tail())
    transcript.close()
    for text in (shown, (tmp_path / "console").read_text()):
        assert text.count(MASK) == 2
        assert "hunter" not in text


def test_the_end_of_a_long_line_is_what_counts(tmp_path):
    with talking_to(saying(b"x" * 3 * LONGEST + b" login: "), tmp_path, ending_in("password")) as session:
        with pytest.raises(LabwrightError) as caught:
            first_boot(session)
        assert "state password" in caught.value.what
