"""run(): one way to start a child, and nothing of it left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from labwright.errors import Cause, LabwrightError
from labwright.host.run import recognise, run


def test_output_and_log_are_kept(tmp_path):
    done = run(["sh", "-c", "echo one; echo two >&2"], log=tmp_path / "log")
    assert done.output == "one\n"
    assert sorted(done.log_tail) == ["one", "two"]
    assert sorted((tmp_path / "log").read_text().split()) == ["one", "two"]


def test_a_failure_names_the_command_and_shows_its_last_lines():
    with pytest.raises(LabwrightError) as caught:
        run(["sh", "-c", "echo it broke >&2; exit 3"], what="making the thing failed")
    assert caught.value.what == "making the thing failed (exit code 3)"
    assert caught.value.details == ("it broke",)


def test_a_missing_tool_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr("labwright.host.environment.SEARCH_PATH", "/nowhere")
    with pytest.raises(LabwrightError, match="mmdebstrap is not installed") as caught:
        run(["mmdebstrap"])
    assert caught.value.cause is Cause.HOST
    assert "apt-get install mmdebstrap" in caught.value.hint


def test_the_environment_of_the_host_does_not_leak(monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    assert "SECRET_OF_THE_HOST" not in run(["env"]).output


def test_standard_input_is_closed_or_what_was_given():
    assert run(["cat"]).output == ""
    assert run(["cat"], stdin="secret").output == "secret"


def test_a_time_limit_ends_the_child_and_its_children():
    started = time.monotonic()
    with pytest.raises(LabwrightError, match="no end after"):
        # Nobody else on the machine sleeps for so long.
        run(["sh", "-c", "sleep 61.7531 & sleep 61.7531"], timeout=0.3)
    assert time.monotonic() - started < 10
    assert (
        "sleep 61.7531" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout.splitlines()
    )


def test_a_flood_of_output_on_both_streams_does_not_block():
    done = run(["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' 'x' | fold; seq 100000 >&2"])
    assert len(done.output) > 3_000_000


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_contained_survives_the_end_of_labwright(tmp_path, number):
    script = textwrap.dedent("""
        import signal
        from labwright.host.run import run
        def stop(*_): raise KeyboardInterrupt
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        run(["sh", "-c", "echo ready; sleep 4242 & sleep 4242"], contained=True, on_line=lambda l: print(l, flush=True))
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as owner:
        assert owner.stdout.readline() == b"ready\n"
        owner.send_signal(number)
        owner.wait(20)
    deadline = time.monotonic() + 5
    while "sleep 4242" in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout:
        assert time.monotonic() < deadline, "a child survived"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("tar: ./x: Cannot write: No space left on device", Cause.DISK_FULL),
        ("W: GPG error: InRelease: NO_PUBKEY 0E98404D386FA1D9", Cause.SIGNATURE),
        ("E: Failed to fetch x  404  Not Found", Cause.NETWORK),
        ("Could not resolve 'nowhere.example'", Cause.NETWORK),
        ("E: The repository 'x' is not signed.\n  503  Service Unavailable", Cause.NETWORK),
        ("E: The repository 'x' is not signed.", Cause.SIGNATURE),
        ("E: Release file for x is expired (invalid since 3d)", Cause.SIGNATURE),
        ("cc1: out of memory allocating 65536 bytes", Cause.MEMORY),
    ],
)
def test_the_words_of_tools_show_the_class_of_the_cause(line, cause):
    found = recognise(["noise", line])
    assert found is not None
    assert found[0] is cause


def test_lines_for_the_listener_alone_are_not_kept(tmp_path):
    heard = []
    done = run(["printf", "status:1\nwords\n"], log=tmp_path / "log", on_line=heard.append, unlogged="status:")
    assert heard == ["status:1", "words"]
    assert (done.output, done.log_tail, (tmp_path / "log").read_text()) == ("words\n", ("words",), "words\n")


def test_temporary_files_of_a_child_go_where_they_are_told(tmp_path):
    assert run(["mktemp"], temporary=tmp_path).output.startswith(str(tmp_path))


def test_a_killed_child_is_said_to_be_killed():
    with pytest.raises(LabwrightError) as caught:
        run(["sh", "-c", "kill -KILL $$"])
    assert "killed" in caught.value.hint


def quickly(started: float, limit: float = 8) -> bool:
    return time.monotonic() - started < limit


def test_a_log_on_a_full_disk_ends_the_command_with_that_cause():
    started = time.monotonic()
    with pytest.raises(LabwrightError, match="log cannot be written") as caught:
        run(["sh", "-c", "while :; do echo words; done"], log=Path("/dev/full"), what="flooding")
    assert caught.value.cause is Cause.DISK_FULL
    assert quickly(started)


def test_a_log_that_cannot_be_opened_is_an_error_in_words(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LabwrightError, match="log cannot be opened"):
        run(["true"], log=tmp_path / "file" / "log")


def test_a_listener_that_raises_ends_the_command_and_its_error_arrives():
    def stop(line: str) -> None:
        raise ZeroDivisionError(line)

    started = time.monotonic()
    with pytest.raises(ZeroDivisionError, match="words"):
        run(["sh", "-c", "while :; do echo words; done"], on_line=stop)
    assert quickly(started)


def test_a_listener_whose_own_output_is_gone_is_not_taken_for_a_full_log(tmp_path):
    def stop(_: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run(["echo", "words"], on_line=stop, log=tmp_path / "log")


@pytest.mark.parametrize("daemon", ["sleep 4243 &", "setsid sleep 4243 &", "sleep 4243 > /dev/null 2>&1 &"])
def test_a_child_in_the_background_does_not_outlive_its_command(daemon):
    started = time.monotonic()
    assert run(["sh", "-c", f"{daemon} echo done"]).output == "done\n"
    assert quickly(started)
    assert "sleep 4243" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_a_child_that_is_just_being_started_is_ended_too():
    """Its environment reads as empty in the middle of execve, and its parent is gone by then."""
    for _ in range(60):
        started = time.monotonic()
        run(["sh", "-c", "setsid sleep 4244 & setsid sh -c 'sleep 4244 & sleep 4244' &"])
        assert quickly(started)
    assert "sleep 4244" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


@pytest.mark.parametrize("command", [["sleep", "60"], ["sh", "-c", "exec 0<&-; sleep 60"]])
def test_standard_input_that_nobody_reads_does_not_hold_up_the_time_limit(command):
    started = time.monotonic()
    with pytest.raises(LabwrightError, match="no end after"):
        run(command, stdin="x" * 1_000_000, timeout=0.3)
    assert quickly(started)


def test_a_contained_command_that_ignores_sigterm_ends_soon(monkeypatch):
    monkeypatch.setattr("labwright.host.run.PATIENCE", 60.0)
    started = time.monotonic()
    with pytest.raises(LabwrightError, match="no end after"):
        run(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], contained=True, timeout=0.3)
    assert quickly(started, 30)


def test_a_folder_that_is_not_there_is_an_error_in_words(tmp_path):
    with pytest.raises(LabwrightError, match="No such file"):
        run(["true"], cwd=tmp_path / "nowhere")


def test_output_is_utf_8_whatever_the_locale(tmp_path):
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from labwright.host.run import run
        done = run(["printf", r"sch\\303\\266n \\377"], log=Path(sys.argv[1]))
        sys.exit(done.output != "sch\\xf6n \\ufffd")
    """)
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", script, tmp_path / "log"],
        env={"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PATH": "/usr/bin"},
        check=False,
    )
    assert done.returncode == 0
    assert (tmp_path / "log").read_bytes() == "schön \ufffd".encode()


def test_a_line_without_an_end_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("labwright.host.streams.LARGEST_OUTPUT", 1_000_000)
    started = time.monotonic()
    with pytest.raises(LabwrightError, match="it wrote more than"):
        run(["cat", "/dev/zero"])
    assert quickly(started)
