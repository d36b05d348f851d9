"""Commands in a guest, through a real sshd: a guest that always says a little more is given up in time all the same."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator

import paramiko
import pytest
from support.endpoints import Machines, machines, own_network

from labwright.errors import Cause, LabwrightError
from labwright.guest.booted import BootedGuest
from labwright.vm.ssh import Login, ask, connect, converse

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: sshd runs in a network namespace of its own")
DRIPS = "while echo x; do sleep 0.1; done"
LIMIT = 1.5


@pytest.fixture(scope="module")
def machine() -> Iterator[Machines]:
    with own_network(), machines() as made:
        yield made


@pytest.fixture
def client(machine) -> Iterator[paramiko.SSHClient]:
    with connect(Login(22, machine.user, machine.password, "127.0.1.1"), 20) as made:
        yield made


@contextlib.contextmanager
def soon() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 5 * LIMIT


def test_what_a_command_says_and_how_it_ends(client):
    said = converse(client, "cat; echo no >&2; exit 3", 20, b"yes")
    assert (said.code, said.output, said.errors) == (3, b"yes", b"no\n")
    assert ask(client, "echo one", 20).text == "one\n"


@pytest.mark.parametrize("command", [DRIPS, f"({DRIPS}) >&2", "sleep 60", "cat"])
def test_a_command_that_never_ends_is_given_up_however_much_it_says(client, command):
    with soon(), pytest.raises(LabwrightError, match="gave no answer in the guest: time limit") as caught:
        ask(client, command, LIMIT)
    assert caught.value.cause == Cause.GUEST


def test_a_command_that_reads_a_byte_now_and_then_is_given_up(client):
    slowly = "while dd bs=1 count=1 status=none; do sleep 0.1; done"
    with soon(), pytest.raises(TimeoutError):
        converse(client, slowly, LIMIT, bytes(8 << 20))


@pytest.mark.parametrize("command", [DRIPS, "sleep 60"])
def test_who_waits_for_a_command_can_be_stopped(machine, command):
    begun: list[paramiko.SSHClient] = []
    login = Login(22, machine.user, machine.password, "127.0.1.1")
    with connect(login, 20, begun.append) as client, soon():
        threading.Timer(0.5, lambda: begun[0].get_transport().close()).start()
        with contextlib.suppress(LabwrightError):
            assert ask(client, command, 60).code == -1


@pytest.mark.parametrize("command", [DRIPS, "sleep 60", "while dd bs=1 count=1 status=none; do sleep 0.1; done"])
def test_a_guest_that_is_provisioned_is_given_up_too(client, command):
    guest = BootedGuest(client, "")
    with soon(), pytest.raises(LabwrightError, match="gave no answer in the guest: time limit"):
        guest.execute(["sh", "-c", command], stdin=bytes(8 << 20), seconds=LIMIT)
