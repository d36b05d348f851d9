"""labwright lesson ssh and console: a person in a machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from labwright.cli.lesson.common import LessonFolder, image_folders
from labwright.cli.session import errors, failures, out, workshop
from labwright.errors import Cause, LabwrightError
from labwright.host.environment import environment, find_tool
from labwright.host.locks import take
from labwright.lesson.images import find_image
from labwright.lesson.lab import Lab, LabMachine, running_lab
from labwright.lesson.up import known_hosts

LEAVE = b"\x1d"
"""Ctrl-], as in telnet(1)."""
Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Name of an endpoint.")]
PASSWORD = "LABWRIGHT_SSH_PASSWORD"  # noqa: S105 - the name of a variable


def ssh(
    lesson_dir: LessonFolder,
    endpoint: Endpoint,
    command: Annotated[list[str] | None, typer.Argument(help="Command to run instead of a shell.")] = None,
) -> None:
    """Log in to an endpoint, as a learner does. It is ssh(1) that runs: there is no --json."""
    with failures():
        lab = running_lab(lesson_dir, workshop().paths)
        machine = lab.machine(endpoint)
        _must_run(lab, machine)
        image = find_image(machine.image, lab.images, lab.logins or image_folders(lab.lesson))
        _become_ssh(lab, machine, image.user, image.password, command or [])


def _become_ssh(lab: Lab, machine: LabMachine, user: str, password: str, command: list[str]) -> NoReturn:
    """The password goes to ssh by a program of ours that it asks (SSH_ASKPASS of ssh(1)), never by its arguments."""
    asker = Path(__file__).with_name("askpass")
    words = [
        find_tool("ssh"), "-F", "none", "-p", str(machine.ports[22]), "-l", user,
        "-o", f"UserKnownHostsFile={known_hosts(lab)}", "-o", "GlobalKnownHostsFile=none",
        "-o", "StrictHostKeyChecking=yes", "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1",
        "-o", "LogLevel=ERROR", "127.0.0.1", *(["--", *command] if command else []),
    ]  # fmt: skip
    asked = {"SSH_ASKPASS": str(asker), "SSH_ASKPASS_REQUIRE": "force", PASSWORD: password}
    terminal = {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}
    sys.stdout.flush()
    os.execve(words[0], words, environment(asked | terminal))  # noqa: S606


def console(lesson_dir: LessonFolder, endpoint: Endpoint) -> None:
    """The serial console of an endpoint; Ctrl-] leaves it. It is for a terminal: there is no --json.

    Without a terminal, what it has written so far is printed.
    """
    with failures():
        lab = running_lab(lesson_dir, workshop().paths)
        machine = lab.machine(endpoint)
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            from labwright.vm.console import read_log  # noqa: PLC0415

            said = read_log(machine.console)
            out.out(said, end="", highlight=False)
            if not said:
                since = " since it was resumed from a snapshot" if machine.quick else ""
                errors.print(f"{machine.name} has written nothing to its console{since}", markup=False, highlight=False)
            return
        _must_run(lab, machine)
        with _alone(lab, machine):
            _talk(machine)


@contextlib.contextmanager
def _alone(lab: Lab, machine: LabMachine) -> Iterator[None]:
    """QEMU serves one at a serial line. A second would see nothing, and what he types would come once he is the first.

    Raises LabwrightError (config).
    """
    stream = take(lab.folder / f"console-{machine.name}.lock", fcntl.LOCK_EX, wait=False)
    if stream is None:
        raise LabwrightError(
            f"another console of {machine.name} is open",
            cause=Cause.CONFIG,
            hint=f"leave it with Ctrl-]; what it shows: labwright lesson console {lab.lesson} {machine.name} | cat",
        )
    with stream:
        yield


def _talk(machine: LabMachine) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(machine.serial))
        except OSError as error:
            raise LabwrightError(
                f"the console of {machine.name} cannot be opened: {error.strerror}",
                cause=Cause.HOST,
                hint="is the lab another user's?",
            ) from error
        before = termios.tcgetattr(0)
        try:
            tty.setraw(0)
            # Only now: what is typed before the terminal is raw is thrown away by that.
            errors.print(f"{machine.name}: Ctrl-] leaves\r", markup=False, highlight=False)
            _copy(line)
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
            errors.print("")


def _copy(line: socket.socket) -> None:
    """Both ways, byte by byte as they are: a terminal is what it is for."""
    while True:
        ready, _, _ = select.select([sys.stdin, line], [], [])
        if sys.stdin in ready:
            typed = os.read(0, 4096)
            if not typed or LEAVE in typed:
                return
            line.sendall(typed)
        if line in ready:
            said = line.recv(65536)
            if not said:
                return
            os.write(1, said)


def _must_run(lab: Lab, machine: LabMachine) -> None:
    if words := lab.ended(machine.name):
        raise LabwrightError(f"{machine.name}: {words}", cause=Cause.GUEST, hint="labwright lesson down, then up again")
