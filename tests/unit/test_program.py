"""The program before it is a command."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EARLY = "labwright.errors"
"""One of the first modules that are read."""


def interrupted(how: str, program: list[str | Path]) -> tuple[int, str]:
    """Ctrl-C while it is being read: its exit code, and what it says."""
    words = ["env", f"--{how}-signal=INT", sys.executable, "-X", "importtime", *program, "--version"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.rstrip().endswith(f" {EARLY}"):
                running.send_signal(signal.SIGINT)
                break
        said = [line for line in running.stderr if not line.startswith("import time:")]
        return running.wait(60), "".join(said)


@pytest.mark.parametrize("program", [["-m", "labwright"], [Path(sys.executable).with_name("labwright")]])
def test_ctrl_c_before_anything_was_begun_is_no_traceback(program):
    assert interrupted("default", program) == (-signal.SIGINT, "")


def test_who_is_to_ignore_ctrl_c_ignores_it(tmp_path):
    """What a shell without job control puts in the background."""
    assert interrupted("ignore", ["-m", "labwright"]) == (0, "")


COMMAND = """
import sys, time
from labwright.cli.session import failures
from labwright.host import interrupts
interrupts.listen()
try:
    with failures("--json" in sys.argv, lines=True):
        print("here", file=sys.stderr, flush=True)
        try:
            time.sleep(80)
        finally:
            print("what it was at", flush=True)
except BaseException as error:
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_ctrl_c_is_the_reason_also_where_nobody_reads_any_more(options):
    """Of `labwright ... | tee`, tee is ended by the same Ctrl-C."""
    reader, writer = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *options], stdout=writer, stderr=subprocess.PIPE, text=True
    ) as running:
        os.close(writer)
        assert running.stderr is not None
        assert running.stderr.readline() == "here\n"
        os.close(reader)
        running.send_signal(signal.SIGTERM)
        said = running.stderr.read()
        assert running.wait(60) == 130
    assert "Traceback" not in said
    assert ("stopped" in said) is not bool(options)


def test_a_terminal_that_is_gone_takes_no_words_and_changes_no_exit_code(tmp_path):
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-c", COMMAND])
    heard = b""
    while b"here" not in heard:
        heard += os.read(terminal, 1000)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 130


def test_a_reader_that_has_had_enough_is_no_error_to_read_about():
    """labwright ... | head."""
    code = COMMAND.replace("time.sleep(80)", "print('x' * 99999, flush=True)")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 9
    assert done.stderr == "here\n"


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_stream_that_was_closed_changes_no_exit_code(closed, tmp_path):
    words = ["sh", "-c", f'exec "$@" {closed}>&-', "-", sys.executable, "-m", "labwright", "lesson", "validate"]
    done = subprocess.run([*words, tmp_path / "nothing"], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
