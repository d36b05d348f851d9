"""A wish to stop: heard once, granted when what was begun is given back. Each in a process of its own, by signals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ALL = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
BEGIN = """
import os, signal, sys, threading, time
from pathlib import Path
from labwright.host import interrupts
from labwright.host.interrupts import undisturbed
from labwright.host.ledger import Ledger
interrupts.listen()
def say(word):
    print(word, flush=True)
def hear():
    until = time.monotonic() + 80
    while not interrupts._State.noted and time.monotonic() < until:
        time.sleep(0.01)
def spend(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)
"""
HELD_UP = """
try:
    with undisturbed():
        say("here")
        spend(80)
except KeyboardInterrupt:
    say(interrupts.forced())
"""


def program(body: str, *arguments: str | Path, ignored: str = "") -> subprocess.Popen[str]:
    words = [sys.executable, "-c", BEGIN + textwrap.dedent(body), *map(str, arguments)]
    how = f"--ignore-signal={ignored}" if ignored else "--default-signal=INT"
    return subprocess.Popen(
        ["env", how, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def said_by(running: subprocess.Popen[str]) -> list[str]:
    out, error = running.communicate(timeout=80)
    assert not error
    return out.splitlines()


def said_after(running: subprocess.Popen[str], number: signal.Signals) -> list[str]:
    """What it says once it was here and this signal has come."""
    until(running, "here")
    running.send_signal(number)
    return said_by(running)


def until(running: subprocess.Popen[str], word: str) -> None:
    assert running.stdout is not None
    assert running.stdout.readline().strip() == word


@pytest.mark.parametrize("number", ALL)
def test_each_is_a_keyboard_interrupt(number):
    running = program("""
        try:
            say("here")
            spend(80)
        except KeyboardInterrupt:
            say("stopped")
    """)
    assert said_after(running, number) == ["stopped"]


def test_what_is_undisturbed_ends_first_and_then_the_wish_is_granted():
    running = program("""
        try:
            with undisturbed():
                with undisturbed():
                    say("here")
                    hear()
                say("inner")
            say("never")
        except KeyboardInterrupt:
            say("stopped")
    """)
    assert said_after(running, signal.SIGTERM) == ["inner", "stopped"]


def test_the_third_wish_is_granted_at_once_and_it_is_known_that_something_may_be_left():
    running = program(HELD_UP)
    until(running, "here")
    for _ in range(3):
        running.send_signal(signal.SIGINT)
        time.sleep(1.5)
    assert said_by(running) == ["True"]


def test_keys_that_are_pressed_again_and_again_are_three_wishes_too():
    running = program(HELD_UP)
    until(running, "here")
    # Each comes less than half a second after the one before.
    end = time.monotonic() + 80
    while running.poll() is None and time.monotonic() < end:
        running.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert said_by(running) == ["True"]


def test_two_at_once_are_one_wish_and_later_ones_are_heard_again():
    """A terminal that closes sends two, 0.2 ms apart: the second must not disturb who handles the first."""
    running = program("""
        try:
            say("here")
            spend(80)
        except KeyboardInterrupt:
            spend(0.3)
            say("given back")
        try:
            say("there")
            spend(80)
        except KeyboardInterrupt:
            say("again")
    """)
    until(running, "here")
    running.send_signal(signal.SIGHUP)
    running.send_signal(signal.SIGHUP)
    until(running, "given back")
    until(running, "there")
    time.sleep(0.7)
    running.send_signal(signal.SIGHUP)
    assert said_by(running) == ["again"]


def test_a_failure_is_told_and_the_wish_is_granted_by_the_next():
    running = program("""
        try:
            with undisturbed():
                say("here")
                hear()
                raise ValueError("in use")
        except ValueError as error:
            say(error)
        try:
            with undisturbed():
                pass
        except KeyboardInterrupt:
            say("stopped")
    """)
    assert said_after(running, signal.SIGINT) == ["in use", "stopped"]


def test_another_thread_is_never_disturbed_and_disturbs_nobody():
    running = program("""
        over = threading.Event()
        def body():
            with undisturbed():
                say("here")
                over.wait(80)
        thread = threading.Thread(target=body)
        try:
            thread.start()
            spend(80)
        except KeyboardInterrupt:
            say(not over.is_set() and thread.is_alive())
            over.set()
        thread.join()
        say("through")
    """)
    assert said_after(running, signal.SIGINT) == ["True", "through"]


@pytest.mark.parametrize("number", ["HUP", "INT"])
def test_one_that_was_ignored_from_the_start_stays_so(number):
    """nohup, and a shell without job control."""
    running = program("say('here')\nsys.stdin.readline()\nsay('through')", ignored=number)
    until(running, "here")
    running.send_signal(signal.Signals[f"SIG{number}"])
    # It came before the line: a process that was to die of it is dead by then.
    time.sleep(0.1)
    assert running.stdin is not None
    running.stdin.write("\n")
    assert said_by(running) == ["through"]


def test_a_folder_that_is_being_given_back_is_given_back_whole(tmp_path):
    """Stopped in the middle of their removal, most of its files stayed, and `everything was given back`."""
    folder, ledger = tmp_path / "folder", tmp_path / "ledger"
    running = program(
        """
        folder = Path(sys.argv[1])
        removed = []
        def stop(event, arguments):
            if event == "os.rmdir":
                removed.append(arguments)
                if len(removed) == 10:
                    os.kill(os.getpid(), signal.SIGTERM)
        sys.addaudithook(stop)
        try:
            with Ledger(Path(sys.argv[2])).hold("folder", folder):
                for number in range(40):
                    (folder / str(number)).mkdir(parents=True)
                    for file in range(10):
                        (folder / str(number) / str(file)).touch()
            say("never")
        except KeyboardInterrupt:
            say("stopped")
        """,
        folder,
        ledger,
    )
    assert said_by(running) == ["stopped"]
    assert not folder.exists()
    assert not list(ledger.iterdir())


def test_a_child_that_gives_something_back_is_not_hit_by_the_terminal_s_ctrl_c(tmp_path):
    """umount and losetup stood in the terminal's foreground group, which the terminal sends Ctrl-C to."""
    tool = tmp_path / "losetup"
    tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/begun\nsleep 3\ntouch {tmp_path}/done\n")
    tool.chmod(0o755)
    code = BEGIN + (
        "from labwright.host import teardown\n"
        "teardown.find_tool = lambda name: name\n"
        "with undisturbed():\n"
        f"    teardown._call(['{tool}'])\n"
    )
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
    end = time.monotonic() + 80
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    os.write(terminal, b"\x03")
    os.waitpid(process, 0)
    os.close(terminal)
    assert (tmp_path / "done").exists()
