"""The process that holds a lab: what it makes is its owner's alone, it says how machines end, and it leaves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from labwright.errors import LabwrightError
from labwright.host.ledger import Ledger
from labwright.lesson.command import Order
from labwright.lesson.keeper.ask import ask_keeper
from labwright.lesson.keeper.plan import GO, KeeperPlan
from labwright.vm.device import socket_folder
from labwright.vm.qmp import monitor


@dataclass
class Held:
    """A keeper and what it was told."""

    plan: KeeperPlan
    process: subprocess.Popen[bytes]

    @property
    def control(self) -> Path:
        return self.plan.sockets / "keeper"

    def wait_for(self, seen: Callable[[], object]) -> None:
        end = time.monotonic() + 80
        while not seen():
            assert time.monotonic() < end, (self.plan.folder / "keeper.log").read_text()
            time.sleep(0.02)


class Alive:
    """A process that is somebody else's child."""

    @staticmethod
    def poll() -> None:
        return None


def machine(folder: Path, sockets: Path, name: str, *more: str) -> Order:
    control = sockets / f"{name}.q"
    argv = ("qemu-system-x86_64", "-nodefaults", "-display", "none", "-S", "-m", "16", "-qmp",
            f"unix:{control},server=on,wait=off", *more)  # fmt: skip
    return Order("r1", name, argv, folder / f"{name}.qemu", control)


@pytest.fixture
def keep(tmp_path) -> Iterator[Callable[..., Held]]:
    made: list[Held] = []

    def start(*more: str, told: bytes = GO, cable: bool = False, opens: str = "") -> Held:
        """A keeper with one machine that never boots: QEMU stopped at its first instruction. cable: or with two.

        opens: a socket that the first makes before the second is started.
        """
        folder, sockets = tmp_path / "lab", socket_folder()
        folder.mkdir(mode=0o700)
        sockets.mkdir(mode=0o700)
        orders = [machine(folder, sockets, "1a", *more)]
        if cable:
            plug = sockets / "101-internal"
            end = ("-device", "virtio-net-pci,id=card,netdev=n,romfile=", "-netdev")
            options = [f"stream,id=n,server={way},addr.type=unix,addr.path={plug}" for way in ("on", "off")]
            first = machine(folder, sockets, "1a", *end, options[0])
            second = machine(folder, sockets, "1b", *end, options[1])
            orders = [replace(first, opens=(sockets / opens if opens else plug,)), second]
        plan = KeeperPlan(folder, sockets, tmp_path / "ledger", tuple(orders), (), ())
        plan.write()
        with (folder / "keeper.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "labwright.lesson.keeper", folder], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        made.append(Held(plan, process))
        with process.stdin as stream:
            stream.write(told)
        return made[-1]

    yield start
    for held in made:
        held.process.kill()
        held.process.wait()
        Ledger(held.plan.ledger).clean()


def nothing_is_left(held: Held) -> None:
    assert not held.plan.folder.exists()
    assert not held.plan.sockets.exists()
    assert Ledger(held.plan.ledger).entries() == []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert str(held.plan.sockets).encode() not in place.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_its_sockets_are_for_its_owner_alone(keep):
    held = keep()
    while not held.control.exists():
        assert held.process.poll() is None
    # Who sees its name may speak to it in the same moment, and nobody else ever could.
    assert held.control.stat().st_mode & 0o777 == 0o600
    assert ask_keeper(held.control, do="links")["links"] == {}
    held.wait_for((held.plan.sockets / "1a.q").exists)
    assert (held.plan.sockets / "1a.q").stat().st_mode & 0o077 == 0


def test_a_qemu_starts_once_the_one_that_it_is_plugged_into_listens(keep):
    """The cable's socket is made after the monitor's: to wait for that one was not enough."""
    held = keep(cable=True)
    held.wait_for(held.control.exists)
    with monitor(held.plan.orders[1].control, Alive()) as second:
        (card,) = second.execute("query-rx-filter")
        assert card["name"] == "card"
    assert not list(held.plan.folder.glob("ended-*"))


def test_sigterm_leaves_nothing(keep):
    held = keep()
    held.wait_for(held.control.exists)
    held.process.terminate()
    assert held.process.wait(80) == 0
    nothing_is_left(held)


def test_sigterm_while_it_waits_for_a_socket_starts_no_more_machines(keep):
    held = keep(cable=True, opens="none-of-them-makes-this")
    held.wait_for((held.plan.sockets / "1a.q").exists)
    held.process.terminate()
    begun = held.plan.folder / "1b.qemu"
    while held.process.poll() is None:
        assert not begun.exists()
        time.sleep(0.001)
    assert held.process.returncode == 0
    nothing_is_left(held)


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.05, 0.1, 0.2, 0.3])
def test_sigterm_leaves_nothing_at_whatever_moment_it_comes(keep, pause):
    held = keep()
    held.wait_for(lambda: list(held.plan.ledger.glob("*.json")))
    time.sleep(pause)
    held.process.terminate()
    assert held.process.wait(80) == 0
    nothing_is_left(held)


def test_ctrl_c_and_a_lost_terminal_are_not_for_it(keep):
    held = keep()
    held.wait_for(held.control.exists)
    for number in (signal.SIGINT, signal.SIGHUP):
        held.process.send_signal(number)
    time.sleep(0.3)
    assert ask_keeper(held.control, do="links")["links"] == {}


def test_what_a_killed_one_leaves_is_cleaned(keep):
    held = keep()
    held.wait_for(held.control.exists)
    held.process.kill()
    held.process.wait()
    cleaned = Ledger(held.plan.ledger).clean()
    assert cleaned.failures == ()
    nothing_is_left(held)


def test_one_that_nobody_told_to_go_on_starts_nothing(keep):
    """Whoever started it was killed before the lab could be found."""
    held = keep(told=b"")
    assert held.process.wait(80) == 0
    assert not held.control.exists()
    assert not (held.plan.folder / "1a.qemu").exists()
    held.plan.sockets.rmdir()


def test_a_qemu_that_does_not_start_is_told_in_its_words(keep):
    held = keep("-device", "no-such-card")
    ended = held.plan.folder / "ended-r1"
    held.wait_for(ended.exists)
    assert ended.read_text().startswith("its QEMU ended (exit code 1): ")
    assert "no-such-card" in ended.read_text()


def test_a_qemu_that_is_killed_is_told(keep):
    held = keep()
    held.wait_for(held.control.exists)
    (entry,) = [entry for entry in Ledger(held.plan.ledger).entries() if entry.kind == "process"]
    found = [
        int(place.parent.name)
        for place in Path("/proc").glob("[0-9]*/environ")
        if entry.what.encode() in environment(place)
    ]
    for process in found:
        # It ends with another one of them.
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    ended = held.plan.folder / "ended-r1"
    held.wait_for(ended.exists)
    assert ended.read_text() == "its QEMU ended (signal 9)"


def environment(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    "request_", [{"do": "fly"}, {"do": "link", "link": "x", "change": {}}, {"do": "open"}, {"no": 1}]
)
def test_what_it_does_not_understand_is_refused_and_it_goes_on(keep, request_):
    held = keep()
    held.wait_for(held.control.exists)
    with pytest.raises(LabwrightError, match="refuses"):
        ask_keeper(held.control, **request_)
    assert json.dumps(ask_keeper(held.control, do="links")["links"]) == "{}"
