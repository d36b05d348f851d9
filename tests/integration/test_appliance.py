"""A wish to stop while the libguestfs appliance is busy: granted soon, with nothing left. In processes of their own."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from support.builds import COMMAND, REPOSITORY, command_lines, leaks, start

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: reads the host's kernel"),
    pytest.mark.timeout(900),
]
PROGRAMS = ("sh", "mkdir", "chmod", "sleep")
SOON = 60.0
"""Seconds. Without that wish each of these would go on for more than an hour, or for ever."""
BUSY = "in the guest, for "


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with as little of a system as a command needs."""
    folder = tmp_path_factory.mktemp("disk")
    root, disk = folder / "root", folder / "disk.raw"
    for name in ("bin", "etc", "run", "proc", "dev", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Small"\n')
    for name in PROGRAMS:
        program = shutil.which(name)
        assert program is not None
        shutil.copy(program, root / "bin")
        needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for library in filter(lambda word: word.startswith("/"), needed.split()):
            place = root / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, disk, "40M"], check=True)
    with disk.open("r+b") as stream:
        stream.write(b"\xeb\xfe")
    return disk


@pytest.fixture
def disk(system: Path, tmp_path: Path) -> Path:
    """One for each test: whose guest is killed while it writes is no whole disk any more."""
    return Path(shutil.copy(system, tmp_path / "disk.raw"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The appliance is made once."""
    return tmp_path_factory.mktemp("cache")


Found = TypeVar("Found")


def until(running: subprocess.Popen[str], look: Callable[[], Found | None]) -> Found:
    """What is looked for, once it is there."""
    while running.poll() is None:
        if (found := look()) is not None:
            return found
        time.sleep(0.01)
    raise AssertionError(running.communicate())


def appeared(running: subprocess.Popen[str], *words: str | Path) -> tuple[int, str]:
    """The first process that has these words, once there is one."""
    return until(running, lambda: next(command_lines(*words), None))


def sockets(line: str) -> Path:
    """The folder that libguestfs talks to this QEMU in, from its command line."""
    found = re.search(r"path=(/\S+)/guestfsd\.sock", line)
    assert found is not None, line
    return Path(found[1])


@contextlib.contextmanager
def entering(disk: Path, cache: Path) -> Iterator[subprocess.Popen[str]]:
    """The command on its way to a sleep in the guest."""
    with ended(start("enter", "--method", "appliance", disk, "sleep", "7391", cache=cache), cache) as running:
        yield running


@contextlib.contextmanager
def ended(running: subprocess.Popen[str], cache: Path) -> Iterator[subprocess.Popen[str]]:
    """Whatever comes of it, none of its processes stays."""
    try:
        yield running
    finally:
        running.kill()
        for process, _ in command_lines(f"{cache}/"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        running.communicate()


def stopped(running: subprocess.Popen[str], cache: Path) -> None:
    said, complaints = running.communicate(timeout=SOON)
    assert running.returncode == 130, said + complaints
    assert "stopped" in complaints
    assert "crashed" not in complaints
    assert leaks(cache) == []


def test_the_making_of_an_appliance_is_ended_by_sigterm_and_leaves_no_half_one(disk, tmp_path):
    """What it waits for is frozen: that answers to no SIGTERM, and to nobody else."""
    cache = tmp_path / "own"
    with entering(disk, cache) as running:
        process, _ = appeared(running, "supermin", "--build", f"{cache}/")
        half = "downloads/appliance/.guestfs-*/appliance.d.*"
        until(running, lambda: next(cache.glob(f"{half}/*"), None))
        os.kill(process, signal.SIGSTOP)
        running.send_signal(signal.SIGTERM)
        stopped(running, cache)
    assert not list(cache.glob(half))


def test_a_start_that_takes_for_ever_is_ended_by_sigterm(disk, cache):
    with entering(disk, cache) as running:
        process, line = appeared(running, "guestfsd.sock", f"{cache}/")
        os.kill(process, signal.SIGSTOP)
        running.send_signal(signal.SIGTERM)
        stopped(running, cache)
    assert not sockets(line).exists()


def test_a_command_that_takes_long_is_ended_by_sigterm(disk, cache):
    with entering(disk, cache) as running:
        assert running.stderr is not None
        assert any(BUSY in line for line in running.stderr), running.communicate()
        folder = sockets(appeared(running, "guestfsd.sock", f"{cache}/")[1])
        assert folder.exists()
        running.send_signal(signal.SIGTERM)
        stopped(running, cache)
    assert not folder.exists()


def test_a_command_that_takes_long_is_ended_by_ctrl_c(disk, cache):
    """From the terminal, which sends it to every process of its foreground group."""
    process, terminal = pty.fork()
    if process == 0:
        words = ["env", "--default-signal=INT", f"LABWRIGHT_CACHE={cache}", f"--chdir={REPOSITORY}"]
        os.execvp("env", [*words, *COMMAND, "enter", "--method", "appliance", str(disk), "sleep", "7391"])
    try:
        said = read_until(terminal, BUSY)
        folder = sockets(next(command_lines("guestfsd.sock", f"{cache}/"))[1])
        os.write(terminal, b"\x03")
        said += read_until(terminal, "given back")
        _, status = os.waitpid(process, 0)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130, said
    assert leaks(cache) == []
    assert not folder.exists()


def read_until(terminal: int, words: str) -> str:
    said = ""
    while words not in said:
        try:
            said += os.read(terminal, 4096).decode(errors="replace")
        except OSError as error:
            raise AssertionError(f"it ended without {words!r}: {said}") from error
    return said


SERVED = """
import json, socket, struct, sys, time
from dataclasses import replace
from pathlib import Path
from support.disks import bench_in
from labwright.guest.bridge import bridge
from labwright.host import interrupts
from labwright.provision.enter import enter_disk

interrupts.listen()
bench = replace(bench_in(Path(sys.argv[2])), say=lambda text: print(text, flush=True))
head = json.dumps({"do": "run", "argv": ["sleep", "7391"]}).encode()
try:
    with enter_disk(Path(sys.argv[1]), "appliance", None, bench) as guest, bridge(guest, bench.ledger) as place:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(place))
            caller.sendall(struct.pack(">II", len(head), 0) + head)
            time.sleep(7391)
except KeyboardInterrupt:
    sys.exit(130)
"""
"""As a build does while Ansible waits for a command."""


def test_a_command_of_ansible_s_is_ended_too(disk, cache):
    """The wish is heard in another thread than the one that waits for the appliance."""
    running = subprocess.Popen(
        [sys.executable, "-c", SERVED, disk, cache], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "tests")},
    )  # fmt: skip
    with ended(running, cache):
        assert running.stdout is not None
        assert any(BUSY in line for line in running.stdout), running.communicate()
        folder = sockets(appeared(running, "guestfsd.sock", f"{cache}/")[1])
        running.send_signal(signal.SIGTERM)
        said, complaints = running.communicate(timeout=SOON)
    assert (running.returncode, complaints) == (130, ""), said
    assert leaks(cache) == []
    assert not folder.exists()
