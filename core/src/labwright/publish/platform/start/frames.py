"""Ethernet frames as a packet socket gives them, made into what was on the wire.

The kernel takes VLAN tags out, leaves checksums to hardware that is not there, and hands over segments of up to 64 KiB
as one frame. What it did stands beside each frame: in auxiliary data (packet(7), PACKET_AUXDATA) and in a header
(struct virtio_net_hdr of linux/virtio_net.h, PACKET_VNET_HDR).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SOL_PACKET = 263
ADD_MEMBERSHIP, AUXDATA, VNET_HDR, IGNORE_OUTGOING = 1, 8, 15, 23
PROMISCUOUS = 1
VLAN_VALID, VLAN_TPID_VALID = 0x10, 0x40
NEEDS_CHECKSUM = 1
GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_ECN = 0, 1, 4, 0x80
AUX = struct.Struct("=IIIHHHH")
HEADER = struct.Struct("=BBHHHH")
ADDRESSES = 12
"""Bytes of a frame before a VLAN tag."""
DOT1Q = 0x8100
FIN, PSH, CWR = 0x01, 0x08, 0x80


@dataclass(frozen=True)
class Offload:
    """What the kernel left to hardware: flags, kind of segments, length of headers and of a segment's content, where
    the checksum starts and, from there, where it stands."""

    flags: int
    gso: int
    headers: int
    size: int
    start: int
    offset: int


PLAIN = bytes(HEADER.size)


def vlan_tag(auxiliary: bytes) -> bytes:
    """The tag that the kernel took out, from a frame's auxiliary data; empty where there was none."""
    status, _, _, _, _, control, protocol = AUX.unpack(auxiliary)
    if not status & VLAN_VALID:
        return b""
    return struct.pack("!HH", protocol if status & VLAN_TPID_VALID else DOT1Q, control)


def restored(header: bytes, frame: bytes, tag: bytes) -> Iterator[bytes]:
    """The frames that were on the wire, or would have been. Raises ValueError for what only hardware could make."""
    offload = Offload(*HEADER.unpack(header))
    for one in _segments(frame, offload):
        yield one[:ADDRESSES] + tag + one[ADDRESSES:] if tag else one


def _segments(frame: bytes, offload: Offload) -> Iterator[bytes]:
    if offload.gso == GSO_NONE:
        yield checksummed(frame, offload.start, offload.offset) if offload.flags & NEEDS_CHECKSUM else frame
    elif offload.gso & ~GSO_ECN in {GSO_TCP4, GSO_TCP6} and offload.flags & NEEDS_CHECKSUM and offload.size:
        yield from _tcp_segments(frame, offload)
    else:
        raise ValueError(f"segments of kind {offload.gso}")


def checksummed(frame: bytes, start: int, offset: int) -> bytes:
    """The frame with its checksum completed: the sum of the pseudo header stands there already."""
    place = start + offset
    if not 0 < start <= place <= len(frame) - 2:
        raise ValueError("a checksum outside of its frame")
    done = bytearray(frame)
    # UDP says by 0 that there is none (RFC 768); 0xffff is the same number.
    done[place : place + 2] = (complement(frame[start:]) or 0xFFFF).to_bytes(2, "big")
    return bytes(done)


def complement(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    return 0xFFFF ^ total(data)


def total(data: bytes) -> int:
    """The ones' complement sum of 16-bit words. 2**16 is 1 modulo 0xffff, so the whole is one number."""
    number = int.from_bytes(data + b"\0" if len(data) % 2 else data, "big")
    return (number % 0xFFFF or 0xFFFF) if number else 0


def _tcp_segments(frame: bytes, offload: Offload) -> Iterator[bytes]:
    """A large TCP segment as its sender's hardware would cut it (linux/net/ipv4/tcp_offload.c)."""
    tcp = offload.start
    if tcp < 34 or len(frame) < tcp + 20:
        raise ValueError("a segment without a whole header")
    data = tcp + (frame[tcp + 12] >> 4) * 4
    if data < tcp + 20 or len(frame) <= data:
        raise ValueError("a segment without content")
    six = offload.gso & ~GSO_ECN == GSO_TCP6
    # Behind tags that stayed in the frame: IPv4 has no extension headers, so its header's end is where TCP starts.
    network = _network(frame, tcp, six)
    sequence, first_flags = int.from_bytes(frame[tcp + 4 : tcp + 8], "big"), frame[tcp + 13]
    identity = int.from_bytes(frame[network + 4 : network + 6], "big")
    count = range(data, len(frame), offload.size)
    for index, at in enumerate(count):
        content = frame[at : at + offload.size]
        head = bytearray(frame[:data])
        last = at + offload.size >= len(frame)
        head[tcp + 4 : tcp + 8] = ((sequence + at - data) & 0xFFFFFFFF).to_bytes(4, "big")
        head[tcp + 13] = first_flags & (0xFF if last else ~(FIN | PSH)) & (0xFF if index == 0 else ~CWR)
        size = len(head) - network + len(content)
        if six:
            head[network + 4 : network + 6] = (size - 40).to_bytes(2, "big")
        else:
            head[network + 2 : network + 4] = size.to_bytes(2, "big")
            head[network + 4 : network + 6] = ((identity + index) & 0xFFFF).to_bytes(2, "big")
            head[network + 10 : network + 12] = bytes(2)
            head[network + 10 : network + 12] = complement(bytes(head[network:tcp])).to_bytes(2, "big")
        head[tcp + 16 : tcp + 18] = bytes(2)
        pseudo = bytes(head[network + 8 : network + 40] if six else head[network + 12 : network + 20])
        length = len(head) - tcp + len(content)
        words = pseudo + struct.pack("!II", length, 6) + bytes(head[tcp:]) + content
        head[tcp + 16 : tcp + 18] = complement(words).to_bytes(2, "big")
        yield bytes(head) + content


def _network(frame: bytes, tcp: int, six: bool) -> int:
    """Where the IP header begins: after the Ethernet header and the tags that are still there."""
    at = ADDRESSES
    while frame[at : at + 2] in {b"\x81\x00", b"\x88\xa8"}:
        at += 4
    wanted = b"\x86\xdd" if six else b"\x08\x00"
    if frame[at : at + 2] != wanted or at + 2 + (40 if six else 20) > tcp:
        raise ValueError("a segment of something else than IP")
    return at + 2
