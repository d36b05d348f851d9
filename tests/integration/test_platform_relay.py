"""The relay between real interfaces: what the kernel leaves to hardware is done, and nothing comes twice."""

from __future__ import annotations

import contextlib
import hashlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from support.container import cable, inside, network, run

from labwright.publish.platform.start.relay import BACKLOG, Relay, open_interface

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes network namespaces")
FRAME = bytes.fromhex("ffffffffffff020000000001") + b"\x08\x00" + b"labwright" * 10
MEGABYTES = 20


@contextlib.contextmanager
def served(*relays: Relay) -> Iterator[None]:
    """The relays at work, as labwright.publish.platform.start.watch serves them."""
    stop = threading.Event()

    def serve() -> None:
        with selectors.DefaultSelector() as selector:
            for relay in relays:
                selector.register(relay.wire, selectors.EVENT_READ, relay.from_wire)
                selector.register(relay.machine, selectors.EVENT_READ, relay.from_machine)
            while not stop.is_set():
                for key, _ in selector.select(0.05):
                    key.data()
                for relay in relays:
                    if relay.blocked:
                        relay.to_machine()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def between(mtu: int = 1500) -> Iterator[tuple[str, str, Relay, Relay]]:
    """Two namespaces whose kernels talk through a pod with two relays, back to back where machines would be."""
    with network() as a, network() as pod, network() as b:
        cable((a, "x"), (pod, "net1"), mtu)
        cable((b, "x"), (pod, "net2"), mtu)
        for number, name in enumerate((a, b), start=1):
            run("ip", "-n", name, "address", "add", f"192.0.2.{number}/24", "dev", "x")
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with inside(pod):
            relays = Relay("net1", open_interface("net1"), left), Relay("net2", open_interface("net2"), right)
        with served(*relays):
            yield a, b, *relays
        for relay in relays:
            relay.wire.close()
            relay.machine.close()


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_a_kernel_that_leaves_checksums_and_segments_to_hardware_is_understood_at_the_other_end(mtu):
    content = os.urandom(1 << 20) * MEGABYTES
    with between(mtu) as (a, b, *relays):
        with inside(b):
            listener = socket.create_server(("192.0.2.2", 5000))
        listener.settimeout(30)
        with inside(a):
            sender = socket.create_connection(("192.0.2.2", 5000), 20)
        thread = threading.Thread(target=lambda: (sender.sendall(content), sender.close()))
        thread.start()
        receiver, _ = listener.accept()
        receiver.settimeout(30)
        digest = hashlib.sha256()
        with receiver, listener:
            while data := receiver.recv(1 << 20):
                digest.update(data)
        thread.join()
    assert digest.digest() == hashlib.sha256(content).digest()
    assert relays[0].inward.passed > MEGABYTES * (1 << 20) // mtu


def test_datagrams_pass_with_their_checksums():
    with between() as (a, b, *_):
        with inside(b):
            receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            receiver.bind(("192.0.2.2", 5000))
        receiver.settimeout(10)
        with inside(a):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sender, receiver:
            sender.sendto(b"labwright", ("192.0.2.2", 5000))
            assert receiver.recv(100) == b"labwright"


@pytest.fixture
def wire() -> Iterator[tuple[Relay, socket.socket, socket.socket, str]]:
    """A relay, the machine's end, a raw socket at the other end of the cable, and the pod's namespace."""
    with network() as pod, network() as peer:
        cable((pod, "net1"), (peer, "x"))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        theirs.settimeout(5)
        with inside(pod):
            relay = Relay("net1", open_interface("net1"), ours)
        with inside(peer):
            other = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            other.bind(("x", 3))
        other.settimeout(5)
        with theirs, other:
            yield relay, theirs, other, pod
        relay.wire.close()
        relay.machine.close()


@pytest.mark.parametrize("head", ["0180c200000e", "0180c2000002", "0180c2000000", "020000000099"])
def test_frames_for_bridges_and_for_others_reach_the_machine(wire, head):
    relay, machine, other, _ = wire
    frame = bytes.fromhex(head + "02000000000188cc") + b"labwright" * 6
    other.send(frame)
    with served(relay):
        assert machine.recv(2000) == frame


@pytest.mark.parametrize("tag", ["8100602a", "88a80064", "810000008100002a"])
def test_a_vlan_tag_is_still_in_the_frame(wire, tag):
    relay, machine, other, _ = wire
    frame = FRAME[:12] + bytes.fromhex(tag) + FRAME[12:]
    other.send(frame)
    with served(relay):
        assert machine.recv(2000) == frame
        machine.send(frame)
        assert relay.outward.lost == 0


def test_what_the_machine_sends_does_not_come_back_to_it(wire):
    relay, machine, other, _ = wire
    with served(relay):
        machine.send(FRAME)
        assert other.recv(2000) == FRAME
        machine.settimeout(0.5)
        with pytest.raises(TimeoutError):
            machine.recv(2000)


def test_what_the_container_itself_sends_is_not_taken_for_what_comes_in(wire):
    relay, machine, other, pod = wire
    with inside(pod):
        own = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        own.bind(("net1", 0))
    with own, served(relay):
        own.send(FRAME)
        assert other.recv(2000) == FRAME
        machine.settimeout(0.5)
        with pytest.raises(TimeoutError):
            machine.recv(2000)


def test_a_machine_that_takes_no_frames_costs_no_memory_without_an_end(wire):
    relay, machine, other, _ = wire
    for _ in range(20):
        for _ in range(200):
            other.send(FRAME)
        relay.from_wire()
        while relay.wire in selectors_ready(relay.wire):
            relay.from_wire()
    assert relay.blocked
    assert relay.inward.lost > 0
    came = 0
    machine.settimeout(0.2)
    with contextlib.suppress(TimeoutError):
        while machine.recv(2000):
            came += 1
            relay.to_machine()
    assert came == relay.inward.passed
    assert came >= BACKLOG, "what waited is given in the end"


def selectors_ready(wire: socket.socket) -> list[socket.socket]:
    with selectors.DefaultSelector() as selector:
        selector.register(wire, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(0)]  # type: ignore[misc]


def test_a_frame_that_the_interface_does_not_take_is_lost_and_the_next_one_passes(wire):
    relay, machine, other, _ = wire
    with served(relay):
        machine.send(FRAME.ljust(4000, b"-"))
        machine.send(FRAME)
        assert other.recv(5000) == FRAME
    assert (relay.outward.passed, relay.outward.lost) == (1, 1)
    assert relay.alive


def test_an_interface_that_is_taken_away_is_let_go(wire):
    relay, machine, _, pod = wire
    run("ip", "-n", pod, "link", "del", "net1")
    until = time.monotonic() + 5
    while relay.alive and time.monotonic() < until:
        machine.send(FRAME)
        relay.from_wire()
        relay.from_machine()
    assert not relay.alive
