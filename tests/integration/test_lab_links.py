"""The cables of a lab: every frame passes as it is, and what a cable is told to do is what it does."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labwright.lesson.command import FORWARD, WireEnd, WirePlan
from labwright.lesson.keeper import consoles, frames
from labwright.lesson.keeper.doors import Door, open_door
from labwright.lesson.keeper.frames import Conditions, Wire

HEAD = bytes.fromhex("525400000001525400000002")
FRAMES = {
    "LLDP": bytes.fromhex("0180c200000e52540000000288cc0207045254000000020406") + bytes(40),
    "spanning tree": bytes.fromhex("0180c2000000525400000002002642420300") + bytes(40),
    "LACP": bytes.fromhex("0180c20000025254000000028809") + bytes(110),
    "pause": bytes.fromhex("0180c20000015254000000028808000100ff") + bytes(42),
    "802.1Q": HEAD + bytes.fromhex("8100006408004500") + bytes(46),
    "802.1ad": HEAD + bytes.fromhex("88a80064810000c80800") + bytes(46),
    "jumbo": HEAD + b"\x08\x00" + random.Random(1).randbytes(9000),
    "largest": HEAD + b"\x08\x00" + random.Random(2).randbytes(65536),
    "runt": HEAD + b"\x08\x00x",
}


class Cable:
    """A wire in a loop of its own, and the sockets that stand for two QEMUs."""

    def __init__(self, folder: Path) -> None:
        self.plan = WirePlan("a--b", *(WireEnd(folder / f"{side}.t", folder / f"{side}.o") for side in "ab"))
        self.a, self.b = (self._machine(end) for end in (self.plan.a, self.plan.b))

    @staticmethod
    def _machine(end: WireEnd) -> socket.socket:
        machine = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        machine.bind(str(end.theirs))
        machine.setblocking(False)
        return machine

    async def send(self, frame: bytes, backwards: bool = False) -> None:
        """As QEMU does: it waits while the cable does not take more."""
        source, end = (self.b, self.plan.b) if backwards else (self.a, self.plan.a)
        while True:
            try:
                source.sendto(frame, str(end.ours))
                return
            except BlockingIOError:
                await asyncio.sleep(0.001)

    async def receive(self, backwards: bool = False, seconds: float = 2.0) -> bytes | None:
        target = self.a if backwards else self.b
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(target, 70000), seconds)
        return None

    def close(self) -> None:
        self.a.close()
        self.b.close()


@pytest.fixture
def cable(tmp_path) -> Iterator[Cable]:
    made = Cable(tmp_path)
    yield made
    made.close()


def run(cable: Cable, body) -> None:  # type: ignore[no-untyped-def]
    async def all_of_it() -> None:
        wire = Wire(asyncio.get_running_loop(), cable.plan)
        try:
            await asyncio.wait_for(body(wire), 40)
        finally:
            wire.close()

    asyncio.run(all_of_it())


@pytest.mark.parametrize("kind", FRAMES)
def test_every_frame_passes_as_it_is(cable, kind):
    async def body(wire: Wire) -> None:
        for backwards in (False, True):
            await cable.send(FRAMES[kind], backwards)
            assert await cable.receive(backwards) == FRAMES[kind]
        assert wire.there.traffic == wire.back.traffic == frames.Traffic(1, len(FRAMES[kind]), 0)

    run(cable, body)


def test_frames_keep_their_order_and_none_is_lost_when_the_other_end_is_slow(cable):
    async def body(wire: Wire) -> None:
        wanted = [HEAD + number.to_bytes(4, "big") for number in range(900)]
        for frame in wanted:
            await cable.send(frame)
        await asyncio.sleep(0.2)
        assert [await cable.receive() for _ in wanted] == wanted
        assert wire.there.traffic.lost == 0

    run(cable, body)


def test_an_end_that_reads_nothing_holds_nobody_up_and_its_frames_are_bounded(cable):
    async def body(wire: Wire) -> None:
        for number in range(4 * frames.BACKLOG):
            await cable.send(HEAD + number.to_bytes(4, "big"))
        await cable.send(HEAD + b"back", backwards=True)
        assert await cable.receive(backwards=True) == HEAD + b"back"
        assert wire.there.traffic.lost > 0

    run(cable, body)


def test_a_cut_cable_carries_nothing_and_a_mended_one_all(cable):
    async def body(wire: Wire) -> None:
        wire.change(cut=True)
        await cable.send(FRAMES["LLDP"])
        assert await cable.receive(seconds=0.3) is None
        wire.change(cut=False)
        await cable.send(FRAMES["LACP"])
        assert await cable.receive() == FRAMES["LACP"]
        assert wire.there.traffic.lost == 1

    run(cable, body)


def test_a_delay_is_what_it_says_in_each_direction_and_keeps_order(cable):
    async def body(wire: Wire) -> None:
        wire.change(delay=100, jitter=30)
        started = time.monotonic()
        for number in range(20):
            await cable.send(HEAD + bytes([number]))
        got = [await cable.receive() for _ in range(20)]
        assert got == [HEAD + bytes([number]) for number in range(20)]
        assert 0.07 <= time.monotonic() - started <= 10

    run(cable, body)


def test_loss_is_about_what_it_says(cable):
    async def body(wire: Wire) -> None:
        wire.change(loss=50)
        for number in range(600):
            await cable.send(HEAD + number.to_bytes(2, "big"))
            if number % 50 == 0:
                await asyncio.sleep(0.01)
                while await cable.receive(seconds=0.01):
                    pass
        assert 200 <= wire.there.traffic.lost <= 400

    run(cable, body)


def test_a_rate_is_not_exceeded(cable):
    async def body(wire: Wire) -> None:
        wire.change(rate=800)
        started = time.monotonic()
        for _ in range(20):
            await cable.send(HEAD + bytes(988))
        assert len([await cable.receive() for _ in range(20)]) == 20
        # 20,000 bytes at 800 kbit/s.
        assert 0.18 <= time.monotonic() - started <= 10

    run(cable, body)


def test_a_condition_that_is_not_known_is_refused(cable):
    async def body(wire: Wire) -> None:
        with pytest.raises(TypeError):
            wire.change(colour=1)
        assert wire.conditions == Conditions()

    run(cable, body)


def test_a_capture_is_a_pcap_of_both_directions_and_never_overwrites(cable, tmp_path):
    place = tmp_path / "frames.pcap"

    async def body(wire: Wire) -> None:
        wire.capture(place)
        await cable.send(FRAMES["LLDP"])
        await cable.receive()
        await cable.send(FRAMES["jumbo"], backwards=True)
        await cable.receive(backwards=True)
        with pytest.raises(FileExistsError):
            wire.capture(place)
        wire.capture(None)
        await cable.send(FRAMES["LACP"])
        await cable.receive()

    run(cable, body)
    data = place.read_bytes()
    magic, *_, linktype = struct.unpack("<IHHiIII", data[:24])
    assert (magic, linktype) == (0xA1B23C4D, 1)
    found, rest = [], data[24:]
    while rest:
        seconds, nanoseconds, kept, length = struct.unpack("<IIII", rest[:16])
        assert abs(seconds + nanoseconds / 1e9 - time.time()) < 60
        assert kept == length
        found.append(rest[16 : 16 + kept])
        rest = rest[16 + kept :]
    assert found == [FRAMES["LLDP"], FRAMES["jumbo"]]


async def echoing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends all back, after the other side has said all: half-closed connections have to pass."""
    data = await reader.read()
    writer.write(data[::-1])
    await writer.drain()
    writer.close()


def test_a_door_lets_through_whole_conversations_and_those_who_came_too_early():
    async def body() -> None:
        machine = await asyncio.start_server(echoing, "127.0.0.1", 0)
        port = machine.sockets[0].getsockname()[1]
        listener = socket.create_server(("127.0.0.1", 0))
        outside = listener.getsockname()[1]
        early_reader, early = await asyncio.open_connection("127.0.0.1", outside)
        early.write(b"early")
        early.write_eof()
        with contextlib.suppress(TimeoutError):
            assert await asyncio.wait_for(early_reader.read(1), 0.3) == b""
        door = await open_door(Door(listener.detach(), "r1", "127.0.0.1", port))
        assert await asyncio.wait_for(early_reader.read(), 5) == b"ylrae"

        async def one(number: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", outside)
            data = random.Random(number).randbytes(300_000)
            writer.write(data)
            await writer.drain()
            writer.write_eof()
            assert await reader.read() == data[::-1]
            writer.close()

        await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(20))), 30)
        door.close()
        machine.close()

    asyncio.run(body())


def test_a_door_to_a_machine_that_does_not_answer_closes():
    async def body() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        outside = listener.getsockname()[1]
        nobody = socket.create_server(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        nobody.close()
        door = await open_door(Door(listener.detach(), "r1", "127.0.0.1", port))
        reader, _ = await asyncio.open_connection("127.0.0.1", outside)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        door.close()

    asyncio.run(body())


def test_a_connection_of_a_guest_reaches_another_guests_port(tmp_path):
    async def body() -> None:
        machine = await asyncio.start_server(echoing, "127.0.0.1", 0)
        port = machine.sockets[0].getsockname()[1]
        # As QEMU gives it to the program: one socket for both ways.
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", FORWARD, "127.0.0.1", str(port), tmp_path / "f"], stdin=theirs, stdout=theirs
        )
        theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        data = random.Random(3).randbytes(200_000)
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 10) == data[::-1]
        assert await asyncio.to_thread(process.wait, 10) == 0
        machine.close()

    asyncio.run(body())


def test_a_console_that_floods_keeps_its_end_and_what_comes_after_it(tmp_path):
    console = tmp_path / "console"
    with console.open("ab") as machine:
        for number in range(40):
            machine.write(bytes([65 + number % 26]) * (1 << 20))
        machine.flush()
        consoles.shorten(console)
        machine.write(b"login: ")
    kept = console.read_bytes()
    assert len(kept) == consoles.KEPT + len(b"login: ")
    assert kept.endswith(bytes([65 + 39 % 26]) * 100 + b"login: ")


def test_the_relay_carries_thousands_of_frames_a_second(cable):
    async def body(wire: Wire) -> None:
        count, frame = 3000, HEAD + bytes(1486)
        started = time.monotonic()

        async def sending() -> None:
            for _ in range(count):
                await cable.send(frame)

        task = asyncio.create_task(sending())
        for _ in range(count):
            assert await cable.receive()
        await task
        rate = count / (time.monotonic() - started)
        print(f"{rate:.0f} frames/s")
        assert rate > 300

    run(cable, body)
