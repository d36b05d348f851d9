"""What a cable of a container carries: frames a second through one relay, both ends being sockets of this program.

    sudo .venv/bin/python -m bench.relay

In a network namespace of its own, for frames of 64, 1500 and 9000 bytes; beside it the same without the relay.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

from labwright.publish.platform.start.relay import Relay, open_interface

SECONDS = 3.0
SIZES = (64, 1500, 9000)
NAMESPACE = "LABWRIGHT_BENCH_RELAY"


def setup() -> None:
    for words in (
        "link set lo up", "link add net1 mtu 9000 type veth peer name x mtu 9000", "link set net1 up", "link set x up",
    ):  # fmt: skip
        subprocess.run(["ip", *words.split()], check=True)


def flood(end: socket.socket, size: int, stop: threading.Event) -> None:
    frame = bytes.fromhex("ffffffffffff020000000001") + b"\x08\x00" + bytes(size - 14)
    while not stop.is_set():
        try:
            end.send(frame)
        except OSError:
            time.sleep(0.0005)


def measure(size: int, inward: bool) -> tuple[float, float]:
    """Frames a second that pass, and the share of a processor that the relay takes."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    relay = Relay("net1", open_interface("net1"), ours)
    other = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    other.bind(("x", 0))
    source, sink = (other, theirs) if inward else (theirs, None)
    child = os.fork()
    if not child:
        flood(source, size, threading.Event())
    if sink is not None:
        drain = os.fork()
        if not drain:
            while True:
                sink.recv(70_000)
    count = relay.inward if inward else relay.outward
    started, processor = time.monotonic(), time.process_time()
    while time.monotonic() - started < SECONDS:
        (relay.from_wire if inward else relay.from_machine)()
        relay.to_machine()
    passed, seconds = count.passed, time.monotonic() - started
    share = (time.process_time() - processor) / seconds
    for process in (child, *([drain] if sink is not None else [])):
        os.kill(process, 9)
        os.waitpid(process, 0)
    for end in (ours, theirs, other, relay.wire):
        end.close()
    return passed / seconds, share


def main() -> None:
    if os.environ.get(NAMESPACE) is None:
        words = ["unshare", "--net", sys.executable, "-m", "bench.relay"]
        sys.exit(subprocess.run(words, env=os.environ | {NAMESPACE: "1"}, check=False).returncode)
    setup()
    print("bytes  direction      frames/s  Mbit/s  processor")
    for size in SIZES:
        for inward in (True, False):
            rate, share = measure(size, inward)
            name = "to machine" if inward else "from machine"
            print(f"{size:5}  {name:12} {rate:9.0f} {rate * size * 8 / 1e6:8.0f} {share:9.0%}")


if __name__ == "__main__":
    main()
