"""Readiness: an SSH server's own greeting counts, a connection alone does not, and nobody waits longer than needed."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline, Heartbeat
from labwright.vm.machine import Running
from labwright.vm.ports import reserved_ports
from labwright.vm.ready import Greeting, Prompt, wait_until

SILENT = Heartbeat(lambda _: None)


@contextlib.contextmanager
def running(tmp_path: Path, argv: tuple[str, ...] = ("sleep", "60")):
    """A stand-in for QEMU: a process and a console file."""
    console, complaints = tmp_path / "console", tmp_path / "qemu"
    console.touch()
    complaints.touch()
    with subprocess.Popen(argv) as process:
        yield Running(process, console, complaints, time.monotonic())
        process.kill()


@contextlib.contextmanager
def listening(port: int, answer: bytes | None, delay: float = 0.0):
    """A server on loopback: it greets after a delay, or accepts and says nothing."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        accepted: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    accepted.append(connection)
                    time.sleep(delay)
                    if answer is not None:
                        connection.sendall(answer)
                        connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield accepted
        server.shutdown(socket.SHUT_RDWR)


def test_a_reserved_port_is_given_to_nobody_else_and_can_be_listened_on():
    with reserved_ports(3) as ports:
        assert len(set(ports)) == 3
        for port in ports:
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))
            with listening(port, b"x"), socket.create_connection(("127.0.0.1", port)) as client:
                assert client.recv(1) == b"x"


def test_both_signs_are_timed_on_their_own(tmp_path):
    class Noted(Greeting):
        there = False

        def seen(self) -> bool:
            self.there = super().seen()
            return self.there

    with running(tmp_path) as machine, reserved_ports(1) as (port,), listening(port, b"SSH-2.0-x\r\n"):
        greeting = Noted(port)

        def prompt_later(_: str) -> None:
            if greeting.there:
                time.sleep(0.3)
                machine.console.write_text("debian login: ")

        times = wait_until(machine, [Prompt(machine), greeting], Deadline(20), Heartbeat(prompt_later, every=0))
    assert times["login prompt"] - times["SSH"] > 0.25


def test_a_server_that_accepts_and_says_nothing_is_not_ready(tmp_path):
    with running(tmp_path) as machine, reserved_ports(1) as (port,), listening(port, None) as accepted:
        with pytest.raises(LabwrightError, match="no SSH after 1 s") as caught:
            wait_until(machine, [Greeting(port)], Deadline(1), SILENT)
        assert len(accepted) == 1, "a patient connection is not given up"
    assert caught.value.cause is Cause.GUEST


def test_the_server_is_left_alone_until_the_network_refuses(tmp_path):
    with (
        running(tmp_path) as machine,
        reserved_ports(2) as (port, knock),
        listening(port, b"SSH-2.0-x\r\n") as accepted,
    ):
        with listening(knock, None), pytest.raises(LabwrightError, match="no SSH"):
            wait_until(machine, [Greeting(port, knock)], Deadline(1), SILENT)
        assert accepted == []
        with listening(knock, b""):
            assert wait_until(machine, [Greeting(port, knock)], Deadline(10), SILENT)["SSH"] > 0


def test_a_slow_greeting_is_waited_for_and_another_service_is_none(tmp_path):
    with running(tmp_path) as machine, reserved_ports(2) as (slow, other):
        with listening(slow, b"SSH-2.0-x\r\n", delay=1.0) as accepted:
            wait_until(machine, [Greeting(slow)], Deadline(10), SILENT)
            assert len(accepted) == 1
        with listening(other, b"HTTP/1.1 400\r\n"), pytest.raises(LabwrightError, match="no SSH"):
            wait_until(machine, [Greeting(other)], Deadline(0.5), SILENT)


def test_a_machine_that_dies_is_noticed_at_once(tmp_path):
    with running(tmp_path, ("false",)) as machine:
        machine.console.write_text("Kernel panic - not syncing\n")
        machine.process.wait()
        with pytest.raises(LabwrightError, match="stopped before its login prompt") as caught:
            wait_until(machine, [Prompt(machine)], Deadline(60), SILENT)
    assert "Kernel panic - not syncing" in caught.value.details


def test_a_kernel_that_gave_up_is_not_waited_for(tmp_path):
    with running(tmp_path) as machine:
        machine.console.write_text("---[ end Kernel panic - not syncing: IO-APIC + timer doesn't work! ]---\n")
        with pytest.raises(LabwrightError, match="kernel gave up") as caught:
            wait_until(machine, [Prompt(machine)], Deadline(60), SILENT)
    assert any("IO-APIC" in line for line in caught.value.details)
    assert caught.value.cause is Cause.GUEST
