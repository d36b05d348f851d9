"""The ways into a lab and between its guests, with real connections: whole, half-closed, many, early, broken."""

from __future__ import annotations

import asyncio
import gc
import secrets
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labwright.lesson.command import FORWARD
from labwright.lesson.keeper.doors import Door, open_door
from labwright.lesson.keeper.forward import MOST

LARGE = secrets.token_bytes(4 << 20)


class Echo(socketserver.BaseRequestHandler):
    """Gives back what it got, once it has all of it: a client has to close its half."""

    def handle(self) -> None:
        got = b""
        while data := self.request.recv(65536):
            got += data
        self.request.sendall(got)


class Both(socketserver.BaseRequestHandler):
    """Sends much, and reads at the same time."""

    def handle(self) -> None:
        sender = threading.Thread(target=self.request.sendall, args=(LARGE,))
        sender.start()
        while self.request.recv(65536):
            pass
        sender.join()


class Quiet(socketserver.BaseRequestHandler):
    """Says how its connection ended."""

    def handle(self) -> None:
        self.server.ended = threading.Event()
        self.server.there.set()
        try:
            while self.request.recv(65536):
                pass
        except OSError:
            pass
        self.server.ended.set()


def serve(handler: type[socketserver.BaseRequestHandler]) -> socketserver.ThreadingTCPServer:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.request_queue_size = 200
    server.socket.listen(200)
    server.there = threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    asyncio.run_coroutine_threadsafe(end_all(), made).result(5)
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


async def end_all() -> None:
    """As asyncio.run() does for a keeper that ends."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def door(port: int) -> tuple[Door, int]:
    """A door to this port, not open yet; and its own port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    outside = listener.getsockname()[1]
    return Door(listener.detach(), "r1", "127.0.0.1", port), outside


def opened(loop, handler) -> tuple[socketserver.ThreadingTCPServer, int]:
    server = serve(handler)
    closed, outside = door(server.server_address[1])
    asyncio.run_coroutine_threadsafe(open_door(closed), loop).result(5)
    return server, outside


def ask(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        got = b""
        while part := client.recv(65536):
            got += part
        return got


def test_a_half_closed_connection_still_brings_a_large_answer(loop):
    _, port = opened(loop, Echo)
    assert ask(port, LARGE) == LARGE


def test_many_connections_at_once_are_not_mixed_up(loop):
    _, port = opened(loop, Echo)
    answers: dict[int, bytes] = {}
    threads = [
        threading.Thread(target=lambda number=number: answers.update({number: ask(port, b"%d" % number * 1000)}))
        for number in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: b"%d" % number * 1000 for number in range(50)}


def test_a_client_that_comes_before_its_machine_is_ready_is_served_afterwards(loop):
    server = serve(Echo)
    closed, port = door(server.server_address[1])
    client = socket.create_connection(("127.0.0.1", port), 5)
    client.sendall(b"early")
    client.shutdown(socket.SHUT_WR)
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(10)
    asyncio.run_coroutine_threadsafe(open_door(closed), loop).result(5)
    client.settimeout(5)
    assert client.recv(10) == b"early"
    client.close()


def test_a_machine_that_is_gone_ends_the_connection(loop):
    server = serve(Echo)
    closed, port = door(server.server_address[1])
    server.shutdown()
    server.server_close()
    asyncio.run_coroutine_threadsafe(open_door(closed), loop).result(5)
    assert ask(port, b"") == b""


def test_a_client_that_breaks_off_ends_the_connection_of_its_machine(loop):
    server, port = opened(loop, Quiet)
    client = socket.create_connection(("127.0.0.1", port), 5)
    assert server.there.wait(5)
    # With no time to linger its end is a reset, not a word.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert server.ended.wait(5)


def test_a_connection_in_rest_outlives_the_collector(loop):
    """Tasks that only the loop knew were collected."""
    _, port = opened(loop, Echo)
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"before")
        time.sleep(0.2)
        for _ in range(3):
            gc.collect()
        client.sendall(b" and after")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b"before and after"


def forwarder(port: int, places: Path) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """As QEMU starts it for a connection of a guest's."""
    near, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", FORWARD, "127.0.0.1", str(port), places], stdin=theirs, stdout=theirs
    )
    theirs.close()
    near.settimeout(20)
    return near, process


def test_a_guest_s_connection_to_another_guest_is_whole_and_its_process_ends(tmp_path):
    server = serve(Echo)
    near, process = forwarder(server.server_address[1], tmp_path / "f")
    near.sendall(LARGE[:200_000])
    near.shutdown(socket.SHUT_WR)
    got = b""
    while part := near.recv(65536):
        got += part
    assert got == LARGE[:200_000]
    assert process.wait(10) == 0


def test_a_guest_that_sends_all_before_it_reads_does_not_wait_for_ever(tmp_path):
    server = serve(Both)
    near, process = forwarder(server.server_address[1], tmp_path / "f")
    time.sleep(0.3)
    near.sendall(LARGE)
    near.shutdown(socket.SHUT_WR)
    got = 0
    while part := near.recv(65536):
        got += len(part)
    assert got == len(LARGE)
    assert process.wait(10) == 0


def test_a_port_of_a_guest_where_nothing_listens_ends_the_connection(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        near, process = forwarder(unused.getsockname()[1], tmp_path / "f")
        assert near.recv(10) == b""
        assert process.wait(10) == 0


def test_a_guest_that_asks_for_connections_without_end_gets_so_many(tmp_path):
    server = serve(Quiet)
    places = tmp_path / "f"
    made = [forwarder(server.server_address[1], places) for _ in range(MOST)]
    end = time.monotonic() + 60
    while len(list(tmp_path.glob("f*"))) < MOST:
        assert time.monotonic() < end
        time.sleep(0.1)
    near, process = forwarder(server.server_address[1], places)
    assert near.recv(1) == b"", "one too many is closed"
    assert process.wait(10) == 0
    made[0][0].close()
    made[0][1].wait(10)
    again, process = forwarder(server.server_address[1], places)
    time.sleep(1)
    assert process.poll() is None, "a place that was given back is taken again"
    for each, _ in [*made[1:], (again, process)]:
        each.close()
    for _, each in [*made[1:], (again, process)]:
        each.wait(10)
    server.shutdown()
