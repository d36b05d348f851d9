"""A cable between two machines: every frame that goes in comes out, unless the cable is told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from labwright.lesson.command import WireEnd, WirePlan

LONGEST = 70_000
"""Bytes of a frame: QEMU's largest has 4 KiB beside 64 KiB (include/net/net.h, NET_BUFSIZE)."""
AT_ONCE = 64
BACKLOG = 1000
"""Frames that wait for a machine that does not take them, or for their delay to be over; more are lost."""
LONGEST_QUEUE = 5.0
"""Seconds that a frame waits for those before it where there is a rate: a router's buffer is as small, and a frame that
comes an hour late is of use to nobody."""
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, LONGEST, 1)
"""Times in nanoseconds, Ethernet (the file format of libpcap, pcap-savefile(5))."""


@dataclass(frozen=True)
class Conditions:
    """What a cable does to frames. cut: nothing passes. delay, jitter: milliseconds each way. loss: per cent.

    rate: kbit/s each way, 0 for no limit.
    """

    cut: bool = False
    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    rate: int = 0

    @property
    def plain(self) -> bool:
        """Whether frames just pass."""
        return self == Conditions()


@dataclass
class Traffic:
    """What came in at one end: frames, their bytes, and frames that were lost."""

    frames: int = 0
    octets: int = 0
    lost: int = 0


class Capture:
    """A file of what passes, for tcpdump and Wireshark."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: BinaryIO = path.open("xb")
        self._stream.write(PCAP_HEADER)
        self._stream.flush()

    def write(self, frame: bytes) -> None:
        """One frame, now."""
        now = time.time_ns()
        seconds, rest = divmod(now, 1_000_000_000)
        self._stream.write(struct.pack("<IIII", seconds, rest, len(frame), len(frame)) + frame)
        self._stream.flush()

    def close(self) -> None:
        """Write what is left."""
        self._stream.close()


class Waiting(NamedTuple):
    """A frame on its way. due: when it comes out. sent: when all of it has gone in. spread: -1 to 1, of the jitter."""

    due: float
    sent: float
    spread: float
    frame: bytes


class Direction:
    """From one end to the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop, source: WireEnd, target: WireEnd) -> None:
        self._loop = loop
        self._target = str(target.theirs)
        self.traffic = Traffic()
        self.conditions = Conditions()
        self.capture: Capture | None = None
        self._waiting: deque[Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._blocked = self._connected = False
        self._free = 0.0
        self._in = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._in.bind(str(source.ours))
        self._in.setblocking(False)
        self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._out.setblocking(False)
        loop.add_reader(self._in, self._read)

    def close(self) -> None:
        """Give the sockets back."""
        self._loop.remove_reader(self._in)
        self._loop.remove_writer(self._out)
        if self._timer:
            self._timer.cancel()
        self._in.close()
        self._out.close()

    def change(self, conditions: Conditions) -> None:
        """From now on, for frames that are on their way too: new ones would have to wait for them."""
        self.conditions = conditions
        waiting = list(self._waiting)
        self._waiting.clear()
        self._free = now = self._loop.time()
        if conditions.cut:
            self.traffic.lost += len(waiting)
        else:
            for each in waiting:
                if each.due <= now:
                    # It has come out, and the machine does not take it.
                    self._waiting.append(each)
                else:
                    self._put(each.frame, each.spread, now, each.sent if each.sent <= now else None)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._schedule()

    def _read(self) -> None:
        for _ in range(AT_ONCE):
            try:
                frame = self._in.recv(LONGEST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                return
            self._take(frame)

    def _take(self, frame: bytes) -> None:
        self.traffic.frames += 1
        self.traffic.octets += len(frame)
        now, conditions = self._loop.time(), self.conditions
        if conditions.plain and not self._waiting:
            self._pass(frame)
            return
        # Not a secret: which frames a bad cable loses.
        if conditions.cut or random.random() * 100 < conditions.loss or len(self._waiting) >= BACKLOG:  # noqa: S311
            self.traffic.lost += 1
            return
        if conditions.rate and self._free - now > LONGEST_QUEUE:
            self.traffic.lost += 1
            return
        self._put(frame, random.uniform(-1, 1), now)  # noqa: S311
        self._schedule()

    def _put(self, frame: bytes, spread: float, now: float, sent: float | None = None) -> None:
        """Let a frame wait. sent: of one that has gone in already."""
        conditions = self.conditions
        if sent is None:
            sent = now
            if conditions.rate:
                sent = self._free = max(self._free, now) + len(frame) * 8 / (conditions.rate * 1000)
        due = sent + (conditions.delay + spread * conditions.jitter) / 1000
        # A cable does not let frames overtake each other.
        due = max(due, self._waiting[-1].due if self._waiting else now)
        self._waiting.append(Waiting(due, sent, spread, frame))

    def _schedule(self) -> None:
        if self._timer is None and self._waiting and not self._blocked:
            self._timer = self._loop.call_at(self._waiting[0].due, self._release)

    def _release(self) -> None:
        self._timer = None
        while self._waiting and self._waiting[0].due <= self._loop.time() + 0.0005 and not self._blocked:
            self._pass(self._waiting.popleft().frame)
        self._schedule()

    def _pass(self, frame: bytes) -> None:
        try:
            if not self._connected:
                self._out.connect(self._target)
                self._connected = True
            self._out.send(frame)
        except (BlockingIOError, InterruptedError):
            # The machine is busy: wait until it takes frames again, in their order.
            self._waiting.appendleft(Waiting(0.0, 0.0, 0.0, frame))
            if not self._blocked:
                self._blocked = True
                # A connected socket counts as writable only where its peer has room (unix(7) of Linux 4.4 and later).
                self._loop.add_writer(self._out, self._unblock)
            return
        except OSError:
            # It has not been started yet, or has ended.
            self._connected = False
            self.traffic.lost += 1
            return
        if self.capture:
            with contextlib.suppress(OSError):
                self.capture.write(frame)

    def _unblock(self) -> None:
        self._loop.remove_writer(self._out)
        self._blocked = False
        self._schedule()


class Wire:
    """Both directions."""

    def __init__(self, loop: asyncio.AbstractEventLoop, plan: WirePlan) -> None:
        self.name = plan.name
        self.there = Direction(loop, plan.a, plan.b)
        self.back = Direction(loop, plan.b, plan.a)
        self.conditions = Conditions()

    def change(self, **changes: float) -> None:
        """Change some of the conditions. Raises TypeError for one that is not known."""
        self.conditions = replace(self.conditions, **changes)  # type: ignore[arg-type]
        for direction in (self.there, self.back):
            direction.change(self.conditions)

    def capture(self, path: Path | None) -> None:
        """Write what passes to a new file, or stop. Raises OSError, also where there is a file already."""
        former = self.there.capture
        both = Capture(path) if path else None
        self.there.capture = self.back.capture = both
        if former:
            former.close()

    def close(self) -> None:
        """Give all back."""
        self.there.close()
        self.back.close()
        self.capture(None)
