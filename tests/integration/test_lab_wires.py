"""The cable between two machines, with real datagram sockets as both ends: all that goes in comes out, unchanged."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pcap import read_pcap

from labwright.lesson.command import WireEnd, WirePlan
from labwright.lesson.keeper.frames import BACKLOG, LONGEST_QUEUE, Wire
from labwright.vm.device import socket_folder

HEAD = bytes.fromhex("020000000002020000000001")
FRAMES = {
    "LLDP": bytes.fromhex("0180c200000e02000000000188cc") + b"lldp",
    "STP": bytes.fromhex("0180c20000000200000000010026424203") + bytes(38),
    "LACP": bytes.fromhex("0180c20000020200000000018809") + bytes(110),
    "pause": bytes.fromhex("0180c20000010200000000018808") + bytes(46),
    "802.1Q": HEAD + bytes.fromhex("8100006408004500") + bytes(46),
    "QinQ": HEAD + bytes.fromhex("88a80064810000c80800") + bytes(46),
    "MPLS": HEAD + bytes.fromhex("8847000641ff") + bytes(46),
    "jumbo": HEAD + b"\x08\x00" + secrets.token_bytes(9000),
    "64 KiB": HEAD + b"\x08\x00" + secrets.token_bytes(65536),
    "runt": HEAD[:5],
    "one byte": b"\0",
}


class Machine(socket.socket):
    """A machine's end, as QEMU has it: bound, not connected, since a connected one takes frames from its peer only."""

    def __init__(self, end: WireEnd) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.bind(str(end.theirs))
        self.settimeout(5)
        self._ours = str(end.ours)

    def put(self, frame: bytes) -> None:
        self.sendto(frame, self._ours)


class Ends:
    """Both machines, and the cable between them in a loop of its own."""

    def __init__(self, folder: Path) -> None:
        pairs = [WireEnd(folder / f"0{side}.t", folder / f"0{side}.o") for side in "ab"]
        self.plan = WirePlan("a--b", pairs[0], pairs[1])
        self.a, self.b = map(Machine, pairs)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.wire = self.call(lambda: Wire(self.loop, self.plan))

    def call(self, what):
        """In the loop's own thread, as the keeper does."""

        async def do():
            return what()

        return asyncio.run_coroutine_threadsafe(do(), self.loop).result(5)

    def change(self, **changes: float) -> None:
        self.call(lambda: self.wire.change(**changes))

    def taken(self, count: int) -> None:
        """Wait until the cable has taken so many frames from a."""
        until = time.monotonic() + 60
        while self.call(lambda: self.wire.there.traffic.frames) < count:
            assert time.monotonic() < until
            time.sleep(0.01)

    def close(self) -> None:
        self.call(self.wire.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        self.a.close()
        self.b.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    folder = socket_folder()
    folder.mkdir(mode=0o700)
    made = Ends(folder)
    yield made
    made.close()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def received(machine: socket.socket, count: int) -> list[bytes]:
    return [machine.recv(70_000) for _ in range(count)]


def silent(machine: socket.socket, seconds: float = 0.3) -> bool:
    machine.settimeout(seconds)
    with contextlib.suppress(TimeoutError):
        machine.recv(70_000)
        return False
    machine.settimeout(5)
    return True


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_passes_unchanged_both_ways(ends, kind):
    """Bridges keep link-local multicast to themselves, take tags off and have an MTU."""
    for source, target in ((ends.a, ends.b), (ends.b, ends.a)):
        source.put(FRAMES[kind])
        assert target.recv(70_000) == FRAMES[kind]
    assert silent(ends.a), "a frame does not come back to its sender"


def test_frames_keep_their_order_through_a_machine_that_is_slow(ends):
    def send() -> None:
        for number in range(500):
            ends.a.put(number.to_bytes(4, "big"))

    sender = threading.Thread(target=send)
    sender.start()
    seen = []
    for number in range(500):
        if number % 100 == 0:
            time.sleep(0.05)
        seen.append(int.from_bytes(ends.b.recv(70_000), "big"))
    sender.join()
    assert seen == list(range(500))


def test_jitter_does_not_let_frames_overtake_each_other(ends):
    ends.change(delay=20, jitter=20)
    for number in range(100):
        ends.a.put(bytes([number]))
    assert received(ends.b, 100) == [bytes([number]) for number in range(100)]


def test_a_delay_is_as_told(ends):
    """The fastest of ten counts: a host that does other things beside delays some."""
    ends.change(delay=200)
    times = []
    for _ in range(10):
        sent = time.monotonic()
        ends.a.put(b"frame")
        ends.b.recv(70_000)
        times.append(time.monotonic() - sent)
    assert 0.199 <= min(times) < 0.4


def test_a_rate_is_as_told(ends):
    """50 frames of 1250 bytes are half a megabit; taken for bytes, the rate would make 4 s of them."""
    ends.change(rate=1000)
    sent = time.monotonic()
    for _ in range(50):
        ends.a.put(bytes(1250))
    received(ends.b, 50)
    assert 0.45 < time.monotonic() - sent < 3


def test_a_loss_is_as_told(ends):
    ends.change(loss=30)
    for _ in range(20):
        for _ in range(50):
            ends.a.put(b"frame")
        ends.b.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            while True:
                ends.b.recv(70_000)
    lost = ends.call(lambda: ends.wire.there.traffic.lost)
    assert 200 < lost < 400


def test_a_cable_that_is_cut_carries_nothing_and_what_was_on_its_way_is_lost(ends):
    ends.change(delay=60_000)
    ends.a.put(b"on its way")
    ends.taken(1)
    ends.change(cut=True)
    ends.b.put(b"too late")
    ends.a.put(b"too late")
    ends.taken(2)
    assert silent(ends.b)
    assert silent(ends.a)
    ends.change(cut=False, delay=0)
    ends.a.put(b"mended")
    assert ends.b.recv(70_000) == b"mended"
    assert ends.call(lambda: ends.wire.there.traffic.lost) == 2


def test_a_cable_without_its_limit_has_nothing_of_it_left(ends):
    """At 1 kbit/s these frames take 4 s and 8 minutes: new ones would have come behind both of them."""
    frames = [bytes(500), bytes(60_000)]
    ends.change(rate=1)
    for frame in frames:
        ends.a.put(frame)
    assert silent(ends.b)
    ends.taken(2)
    ends.change(rate=0)
    ends.a.put(b"new")
    assert received(ends.b, 3) == [*frames, b"new"]


def test_a_cable_that_was_cut_has_nothing_of_its_limit_left(ends):
    ends.change(rate=1)
    ends.a.put(bytes(60_000))
    assert silent(ends.b)
    ends.taken(1)
    ends.change(cut=True)
    ends.change(cut=False, rate=100_000)
    ends.a.put(b"new")
    assert ends.b.recv(70_000) == b"new"


def test_a_cable_without_its_delay_gives_out_at_once_what_was_on_its_way(ends):
    ends.change(delay=60_000)
    ends.a.put(b"on its way")
    assert silent(ends.b)
    ends.taken(1)
    ends.change(delay=0)
    ends.a.put(b"new")
    assert received(ends.b, 2) == [b"on its way", b"new"]


def test_a_frame_that_has_gone_in_does_not_go_in_again(ends):
    """What waits for its delay alone is not held up by a lower rate: at 1 kbit/s it would take 8 minutes."""
    ends.change(rate=100_000, delay=2000)
    ends.a.put(bytes(60_000))
    ends.taken(1)
    time.sleep(0.1)
    ends.change(rate=1)
    assert ends.b.recv(70_000) == bytes(60_000)


def test_no_frame_waits_longer_for_those_before_it_than_in_a_router(ends):
    """0.1 s for each frame: of 300 those are lost that would come out in half a minute."""
    ends.change(rate=100)
    for _ in range(300):
        ends.a.put(bytes(1250))
    ends.taken(300)
    last = ends.call(lambda: ends.wire.there._waiting[-1].due - ends.loop.time())
    assert last < LONGEST_QUEUE + 0.2
    # One less for each 0.1 s that the sending took.
    assert 200 <= ends.call(lambda: ends.wire.there.traffic.lost) <= 249


def test_a_machine_that_reads_nothing_blocks_nobody_and_fills_no_memory(ends):
    """Its peer floods it; the other way goes on meanwhile, and no more waits than the backlog."""
    for number in range(3 * BACKLOG):
        ends.a.put(number.to_bytes(4, "big"))
    ends.b.put(b"the other way")
    assert ends.a.recv(70_000) == b"the other way"
    assert ends.call(lambda: len(ends.wire.there._waiting)) <= BACKLOG
    first = [int.from_bytes(frame, "big") for frame in received(ends.b, BACKLOG)]
    assert first == list(range(BACKLOG)), "the oldest ones are kept, in their order"


def test_a_machine_that_is_not_there_yet_costs_frames_and_nothing_else(ends):
    ends.plan.b.theirs.unlink()
    ends.a.put(b"to nobody")
    ends.b.put(b"from b")
    assert ends.a.recv(70_000) == b"from b"
    assert ends.call(lambda: ends.wire.there.traffic.lost) == 1


def test_a_capture_has_every_frame_and_is_never_written_over(ends, tmp_path):
    file = tmp_path / "wire.pcap"
    before = time.time()
    ends.call(lambda: ends.wire.capture(file))
    with pytest.raises(FileExistsError):
        ends.call(lambda: ends.wire.capture(file))
    for frame in FRAMES.values():
        ends.a.put(frame)
        ends.b.recv(70_000)
    ends.b.put(b"back")
    ends.a.recv(70_000)
    ends.call(lambda: ends.wire.capture(None))
    ends.a.put(b"afterwards")
    ends.b.recv(70_000)
    captured = list(read_pcap(file))
    assert [frame for _, frame in captured] == [*FRAMES.values(), b"back"]
    assert all(before - 1 < at < time.time() + 1 for at, _ in captured)


def test_a_relay_carries_thousands_of_frames_a_second(ends, capsys):
    count = 20_000

    def send() -> None:
        for _ in range(count):
            ends.a.put(bytes(1500))

    started = time.monotonic()
    sender = threading.Thread(target=send)
    sender.start()
    ends.b.settimeout(2)
    seen = 0
    with contextlib.suppress(TimeoutError):
        while seen < count:
            ends.b.recv(70_000)
            seen += 1
    took = time.monotonic() - started
    sender.join()
    with capsys.disabled():
        print(f"\n{seen} of {count} frames in {took:.2f} s: {seen / took:.0f} frames/s")
    assert seen / took > 500
