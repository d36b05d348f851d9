"""A cable: between an interface of the container and one of the machine, every frame as it is on the wire."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections import deque
from dataclasses import dataclass

from labwright.publish.platform.start import frames

LONGEST = 70_000
"""Bytes of a frame: QEMU's largest has 4 KiB beside 64 KiB (include/net/net.h, NET_BUFSIZE)."""
AT_ONCE = 64
"""Frames of one direction before the others have their turn."""
BACKLOG = 512
"""Frames that wait for a machine that is busy; more are lost, as on a wire."""
ANCILLARY = socket.CMSG_SPACE(frames.AUX.size)
ALL = 0x0003
"""ETH_P_ALL: every protocol, and what has a length in its place, as spanning tree has."""
HEADER = frames.HEADER.size


@dataclass
class Count:
    """Frames that passed, and that were lost."""

    passed: int = 0
    lost: int = 0


def open_interface(name: str) -> socket.socket:
    """A packet socket that sees everything on an interface but what we send. Raises OSError.

    Bound only when it has its options: a frame that comes before would come without its tag.
    """
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        for option in (frames.AUXDATA, frames.VNET_HDR, frames.IGNORE_OUTGOING):
            wire.setsockopt(frames.SOL_PACKET, option, 1)
        request = struct.pack("iHH8s", socket.if_nametoindex(name), frames.PROMISCUOUS, 0, b"")
        wire.setsockopt(frames.SOL_PACKET, frames.ADD_MEMBERSHIP, request)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        wire.setblocking(False)
        wire.bind((name, ALL))
    except BaseException:
        wire.close()
        raise
    return wire


class Relay:
    """Both directions. wire: a packet socket; machine: of datagrams to QEMU. Neither blocks."""

    def __init__(self, name: str, wire: socket.socket, machine: socket.socket) -> None:
        self.name = name
        self.wire = wire
        self.machine = machine
        self.inward, self.outward = Count(), Count()
        self._waiting: deque[bytes] = deque()
        self._buffer = memoryview(bytearray(HEADER + LONGEST))
        self._sending = memoryview(bytearray(HEADER + LONGEST))
        for end in (wire, machine):
            end.setblocking(False)
        self.alive = True

    @property
    def blocked(self) -> bool:
        """Whether the machine takes no frames at the moment."""
        return bool(self._waiting)

    def from_wire(self) -> None:
        """Take what has come on the interface."""
        for _ in range(AT_ONCE):
            try:
                size, ancillary, _, _ = self.wire.recvmsg_into([self._buffer], ANCILLARY)
            except BlockingIOError:
                return
            except OSError as error:
                self._failed(error)
                return
            self._take(size, ancillary)

    def _take(self, size: int, ancillary: list[tuple[int, int, bytes]]) -> None:
        if size < HEADER:
            return
        header, tag = bytes(self._buffer[:HEADER]), b""
        for level, kind, data in ancillary:
            if level == frames.SOL_PACKET and kind == frames.AUXDATA and len(data) == frames.AUX.size:
                tag = frames.vlan_tag(data)
        if header == frames.PLAIN and not tag:
            # By far the most frames: nothing is copied for them.
            self._pass(self._buffer[HEADER:size])
            return
        try:
            for frame in frames.restored(header, bytes(self._buffer[HEADER:size]), tag):
                self._pass(frame)
        except ValueError:
            self.inward.lost += 1

    def _pass(self, frame: bytes | memoryview) -> None:
        if not self._waiting:
            with contextlib.suppress(BlockingIOError):
                try:
                    self.machine.send(frame)
                    self.inward.passed += 1
                except BlockingIOError:
                    raise
                except OSError:
                    self.inward.lost += 1
                return
        if len(self._waiting) < BACKLOG:
            self._waiting.append(bytes(frame))
        else:
            self.inward.lost += 1

    def to_machine(self) -> None:
        """Give the machine what it did not take before."""
        while self._waiting:
            try:
                self.machine.send(self._waiting[0])
                self.inward.passed += 1
            except BlockingIOError:
                return
            except OSError:
                self.inward.lost += 1
            self._waiting.popleft()

    def from_machine(self) -> None:
        """Put on the wire what the machine sends. What the interface does not take is lost: a wire has no memory."""
        for _ in range(AT_ONCE):
            try:
                size = self.machine.recv_into(self._sending[HEADER:])
            except BlockingIOError:
                return
            except OSError as error:
                self._failed(error)
                return
            if not size:
                return
            try:
                self.wire.send(self._sending[: HEADER + size])
                self.outward.passed += 1
            except OSError as error:
                self.outward.lost += 1
                self._failed(error)

    def _failed(self, error: OSError) -> None:
        # An interface that is down may come up again; one that was taken away does not.
        if error.errno in {errno.ENODEV, errno.ENXIO, errno.EBADF}:
            self.alive = False

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.inward.passed} frames to the machine ({self.inward.lost} lost), "
            f"{self.outward.passed} from it ({self.outward.lost} lost)"
        )
