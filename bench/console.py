"""What profiles and dialogues cost: reading the profiles, and matching a console that floods.

python -m bench.console
"""

from __future__ import annotations

import codecs
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from bench.measure import Table, machine

from labwright_nos import profile as profile_package
from labwright_nos.dialogue.console import CHUNK, Console, SocketWire
from labwright_nos.dialogue.session import Session
from labwright_nos.dialogue.transcript import Transcript
from labwright_nos.dialogue.watch import Patience, Watch
from labwright_nos.profile import Profile, load_profile

PROFILES = sorted((Path(profile_package.__file__).parents[1] / "profiles").glob("*.yaml"))
MEGABYTES = 8
RUNS = 3
LOG = (
    b"[  102.003310] systemd[1]: Started Daily Cleanup of Temporary Directories.\r\n"
    b"*Nov 26 18:00:01.411: %LINEPROTO-5-UPDOWN: Line protocol on Interface GigabitEthernet0/1, changed state to up\r\n"
    b"\x1b[0;32m  OK  \x1b[0m Reached target Network.\r\n"
)
ENDLESS = b"all work and no play makes a dull console; "


def loading() -> Table:
    """Our reader with all its checks beside the YAML parser alone."""
    table = Table(("ms for all", "ms for one"), ratio="of the YAML parser alone")
    floor = best(lambda: [yaml.load(path.read_text(), yaml.CSafeLoader) for path in PROFILES])
    ours = best(lambda: [load_profile(path) for path in PROFILES])
    for name, seconds in (("the YAML parser alone", floor), (f"{len(PROFILES)} profiles with all checks", ours)):
        table.add(name, seconds * 1000, seconds * 1000 / len(PROFILES), ratio=seconds / floor)
    return table


def matching(flood: bytes) -> Table:
    """Megabytes a second from a socket: read and decoded only, and with everything that waits for a login prompt."""
    table = Table(("MB/s",), ratio="time, of reading and decoding")
    data = flood * (MEGABYTES * 1_000_000 // len(flood)) + b"\r\nlab login: "
    floor = best(lambda: through(data, read))
    table.add("read and decoded", len(data) / floor / 1e6, ratio=1.0)
    for path in PROFILES:
        profile = load_profile(path)
        seconds = best(lambda chosen=profile: through(data, lambda wire: watch(chosen, wire, data)))
        table.add(f"{profile.name}, {rules(profile)} rules", len(data) / seconds / 1e6, ratio=seconds / floor)
    return table


def rules(profile: Profile) -> int:
    return len(profile.console.states[0].answers) + len(profile.console.always)


def best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def through(data: bytes, work: Callable[[SocketWire], object]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = threading.Thread(target=theirs.sendall, args=(data,))
        writer.start()
        work(SocketWire(ours))
        writer.join()


def read(wire: SocketWire) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = ""
    while not text.endswith("login: "):
        text = text[-CHUNK:] + decoder.decode(wire.receive(1.0) or b"")


def watch(profile: Profile, wire: SocketWire, data: bytes) -> None:
    """Wait as in the profile's first state, with a question that ends it as soon as everything has come."""
    with tempfile.TemporaryDirectory() as folder:
        transcript = Transcript(Path(folder) / "console", ["antidotepassword", "another-password"])
        console = Console(wire, transcript)
        session = Session(profile, console, {}, [], lambda _: None)
        waiting = Watch(console, profile.name, Patience(60, 0.001), lambda _: None)
        wanted = session.rules(profile.console.states[0].answers)
        while console.received < len(data):
            waiting.look(wanted)
        transcript.close()


def main() -> None:
    print(" ".join(f"{key}={value}" for key, value in machine().items()), "\n")
    print(loading().markdown(), "\n")
    for name, flood in (("Lines of a log:", LOG), ("A line without an end:", ENDLESS)):
        print(f"{name}\n\n{matching(flood).markdown()}\n")


if __name__ == "__main__":
    main()
