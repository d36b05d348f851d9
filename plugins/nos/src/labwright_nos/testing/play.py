"""Plays a profile against a simulated device: the real engine, real time limits, and a simulated clock."""

from __future__ import annotations

import contextlib
import select
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labwright.errors import LabwrightError
from labwright_nos.dialogue.after import install_file, seal, shut_down, wait_until_ready
from labwright_nos.dialogue.console import Console, Wire
from labwright_nos.dialogue.engine import first_boot
from labwright_nos.dialogue.session import Session
from labwright_nos.dialogue.transcript import Transcript
from labwright_nos.profile.model import Credentials, Profile
from labwright_nos.profile.values import FILE_NAMES, SECRET
from labwright_nos.testing.device import Device, Memory
from labwright_nos.testing.races import Race
from labwright_nos.testing.wire import SimulatedWire

GIVEN: Mapping[str, Any] = {
    "ssh_user": "antidote",
    "ssh_password": "antidotepassword",
    # openssl passwd -6 -salt labwrightsim antidotepassword
    "ssh_password_hash": "$6$labwrightsim$"
    "JVI.2jd3yAhk5FQOwoNfHRbaMUw5FpSSTUp504Lp/Koodyan1E38MP6dkaO8HT8A.NSglEmw.TUqRRjkVTHyh0",
    "config_user": "antidote",
    "config_password": "antidotepassword",
    "config_password_hash": "$6$labwrightsim$"
    "JVI.2jd3yAhk5FQOwoNfHRbaMUw5FpSSTUp504Lp/Koodyan1E38MP6dkaO8HT8A.NSglEmw.TUqRRjkVTHyh0",
    "hostname": "lab-router",
    "forwarding": True,
}
"""What templates get in a play: the platform's own user and password, since those are the ones that break boots."""


@dataclass(frozen=True)
class Outcome:
    """What came of a play. seconds: of the simulated clock. missing: what the device lacks at its end, by sentences.

    typed: the lines that the device took; they hold passwords. happened: the races that changed something.
    """

    profile: str
    races: tuple[str, ...]
    states: tuple[str, ...]
    seconds: float
    missing: tuple[str, ...]
    transcript: str
    happened: frozenset[str]
    error: LabwrightError | None = None
    memory: Memory | None = field(default=None, repr=False)
    typed: tuple[str, ...] = field(default=(), repr=False)

    @property
    def well(self) -> bool:
        """Whether the device is as it should be."""
        return self.error is None and not self.missing

    def check(self) -> Outcome:
        """Itself. Raises AssertionError with the transcript's end where the device is not as it should be."""
        if self.well:
            return self
        lines = [f"{self.profile} with {', '.join(self.races) or 'no race'}, states: {' > '.join(self.states)}"]
        if self.error:
            lines += [self.error.what, f"hint: {self.error.hint}"]
        raise AssertionError("\n".join([*lines, *self.missing, "console:", *self.transcript.splitlines()[-40:]]))


def play(
    profile: Profile,
    device: Device,
    races: Sequence[Race] = (),
    *,
    logins: Sequence[Credentials] | None = None,
    given: Mapping[str, Any] = GIVEN,
) -> Outcome:
    """Take a simulated device through a profile: first boot, readiness, seal, shutdown. No error is raised, see error.

    logins: in place of the profile's. given: values for templates; the profile's names of interfaces are added.
    """
    memory = Memory(given)
    wire = SimulatedWire(device, memory, races)
    return play_on(wire, wire, profile, [race.name for race in races], memory, logins)


def play_on(
    wire: Wire,
    simulated: SimulatedWire,
    profile: Profile,
    races: Sequence[str],
    memory: Memory,
    logins: Sequence[Credentials] | None = None,
    factor: float = 1.0,
) -> Outcome:
    """The same over another wire to the device, such as a socket. factor: by which times are multiplied."""
    interfaces = profile.interfaces
    values = {"management": interfaces.management, "interfaces": interfaces.named(2), **memory.given}
    states: list[str] = []
    error = None
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "console"
        tried = profile.console.credentials if logins is None else logins
        secrets = [str(values[name]) for name in SECRET if name in values] + [login.password for login in logins or ()]
        transcript = Transcript(log, secrets)
        clock = simulated.clock if wire is simulated else time.monotonic
        console = Console(wire, transcript, profile.console.pace * min(1.0, factor), clock)
        session = Session(profile, console, values, tried, lambda _: None, factor)
        try:
            states += first_boot(session)
            _finish(session)
        except LabwrightError as failed:
            error = failed
        transcript.close()
        text = log.read_text()
    missing = [] if error else list(simulated.device.missing(memory))
    if not error and profile.shutdown.how == "command" and not simulated.off:
        missing.append("its shutdown commands did not switch it off")
    return Outcome(
        profile.name, tuple(races), tuple(states), simulated.now, tuple(missing), text, frozenset(simulated.happened),
        error, memory, tuple(simulated.typed),
    )  # fmt: skip


def _finish(session: Session) -> None:
    """What comes after the first boot, in the order of a build, by the same code."""
    profile = session.profile
    wait_until_ready(session)
    if profile.files:
        values = dict.fromkeys(FILE_NAMES, "root") | {
            "mode": "0600",
            "file": f"{profile.files.folder}/lw-0",
            "path": "/config/licence.txt",
        }
        install_file(session, values)
    seal(session)
    if profile.shutdown.commands:
        limit = profile.shutdown.limit * session.factor
        shut_down(session, profile.shutdown.commands, lambda: session.console.closed, limit)


@contextlib.contextmanager
def served(wire: SimulatedWire, speed: float) -> Iterator[socket.socket]:
    """The device behind a real socket, in a thread. speed: seconds of its clock in one of ours."""
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=_serve, args=(wire, theirs, speed), daemon=True)
    thread.start()
    with ours, theirs:
        yield ours
        ours.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _serve(wire: SimulatedWire, connection: socket.socket, speed: float) -> None:
    started = time.monotonic()
    with contextlib.suppress(OSError):
        while True:
            if select.select([connection], [], [], 0.001)[0]:
                data = connection.recv(65536)
                if not data:
                    return
                wire.send(data)
            until = (time.monotonic() - started) * speed
            while wire.now < until:
                came = wire.receive(until - wire.now)
                if came is None:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                if came:
                    connection.sendall(came)
