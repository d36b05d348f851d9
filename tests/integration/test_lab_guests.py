"""Waiting for the machines of a lab: who ends it, by Ctrl-C or since another machine failed, waits for none of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest
from support.endpoints import own_network
from support.hostile_sshd import Sshd, hostile_sshd, refusal, silence

from labwright.errors import LabwrightError
from labwright.lesson.guests import Connections, Guest, Watch, bring_up, host_key
from labwright.lesson.images import LabImage
from labwright.lesson.plan import MachinePlan
from labwright.spec.hardware import Hardware
from labwright.vm.ready import CLOSED_PORT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: machines answer on port 22 of a network")
HARDWARE = Hardware.model_validate_json('{"machines": [{"name": "machine", "memory": 64}], "shell": true}')
IMAGE = LabImage("frr", {}, HARDWARE, None, (), "antidote", "one", "antidote", "two")
SLOW = 100.0
"""How much longer than on a fast host everything may take: connections are waited for for 50 minutes."""
SOON = 30.0


@pytest.fixture
def stalled() -> Iterator[Sshd]:
    """A machine whose SSH server greets, and then says nothing more."""
    with own_network(), hostile_sshd(silence, "127.0.1.1", 22) as made, hostile_sshd(refusal, "127.0.1.1", CLOSED_PORT):
        yield made


def guest(folder: Path, name: str, number: int) -> Guest:
    (folder / f"{name}.console").write_text("booting\n")
    machine = MachinePlan(name, IMAGE, f"127.0.1.{number}", f"10.0.0.{100 + number}", (22,), ("52:00:00:00:00:00",), 0)
    return Guest(machine, folder / f"{name}.console", False, True, 600, SLOW)


def watch() -> Watch:
    return Watch(lambda name: "", lambda text: None, time.monotonic(), threading.Event())


def once_it_waits(stalled: Sshd, do: Callable[[], object]) -> list[float]:
    """Do something when the login has begun; the time of that."""
    done: list[float] = []

    def later() -> None:
        assert stalled.reached.wait(80)
        time.sleep(0.3)
        done.append(time.monotonic())
        do()

    threading.Thread(target=later, daemon=True).start()
    return done


def test_ctrl_c_does_not_wait_for_a_machine_that_says_nothing(tmp_path, stalled):
    since = once_it_waits(stalled, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        bring_up([guest(tmp_path, "r1", 1)], tmp_path, watch(), lambda ready: None)
    assert time.monotonic() - since[0] < SOON


def test_a_machine_that_fails_does_not_wait_for_one_that_says_nothing_and_is_the_one_that_is_named(tmp_path, stalled):
    since = once_it_waits(stalled, lambda: None)
    guests = [guest(tmp_path, "r1", 1), guest(tmp_path, "r2", 2)]
    watching = replace(watch(), ended=lambda name: "its QEMU ended (signal 9)" if name == "r2" and since else "")
    with pytest.raises(LabwrightError, match=r"r2: its QEMU ended \(signal 9\)"):
        bring_up(guests, tmp_path, watching, lambda ready: None)
    assert time.monotonic() - since[0] < SOON


def test_who_waits_for_the_key_of_a_machine_that_says_nothing_can_be_stopped(stalled):
    connections = Connections()
    since = once_it_waits(stalled, connections.close)
    with pytest.raises((paramiko.SSHException, OSError, EOFError)):
        host_key("127.0.1.1", 60 * SLOW, connections)
    assert time.monotonic() - since[0] < SOON
