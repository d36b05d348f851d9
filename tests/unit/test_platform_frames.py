"""Frames from a packet socket become what was on the wire: tags, checksums, segments of a sender without hardware."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.publish.platform.start import frames

ADDRESSES = bytes.fromhex("02000000000202000000000a")


def auxiliary(status: int, control: int = 0, protocol: int = 0) -> bytes:
    return frames.AUX.pack(status, 100, 100, 0, 14, control, protocol)


def plain_sum(data: bytes) -> int:
    """RFC 1071 as it stands there, word by word."""
    number = 0
    for high, low in zip(data[::2], data[1::2] + (b"\0" if len(data) % 2 else b""), strict=True):
        number += high << 8 | low
        number = (number & 0xFFFF) + (number >> 16)
    return number


@given(st.binary(max_size=200))
def test_the_sum_is_that_of_the_standard(data):
    assert frames.total(data) == plain_sum(data)


def test_a_tag_that_the_kernel_took_out_is_put_back_with_its_priority():
    tag = frames.vlan_tag(auxiliary(frames.VLAN_VALID | frames.VLAN_TPID_VALID, 0x602A, 0x88A8))
    frame = ADDRESSES + b"\x08\x00" + b"content"
    assert list(frames.restored(frames.PLAIN, frame, tag)) == [ADDRESSES + b"\x88\xa8\x60\x2a\x08\x00content"]


def test_an_old_kernel_that_names_no_protocol_of_the_tag_means_an_ordinary_vlan():
    assert frames.vlan_tag(auxiliary(frames.VLAN_VALID, 7)) == b"\x81\x00\x00\x07"


def test_the_priority_tag_of_vlan_0_is_not_mistaken_for_no_tag():
    assert frames.vlan_tag(auxiliary(frames.VLAN_VALID, 0)) == b"\x81\x00\x00\x00"
    assert frames.vlan_tag(auxiliary(0x1)) == b""


def segment(size: int, content: bytes, six: bool, flags: int = 0x18) -> tuple[bytes, bytes]:
    """A large TCP segment as a kernel gives it with its header: the sum of the pseudo header in the checksum."""
    tcp = struct.pack("!HHIIBBHHH", 179, 40000, 1000, 1, 5 << 4, flags, 500, 0, 0)
    if six:
        ip = struct.pack("!IHBB", 6 << 28, len(tcp) + len(content), 6, 64) + bytes(range(32))
    else:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(content), 65535, 0, 64, 6, 0) + bytes(range(8))
    frame = ADDRESSES + (b"\x86\xdd" if six else b"\x08\x00") + ip + tcp + content
    start = 14 + len(ip)
    kind = frames.GSO_TCP6 if six else frames.GSO_TCP4
    return frames.HEADER.pack(frames.NEEDS_CHECKSUM, kind, start + len(tcp), size, start, 16), frame


def is_valid(frame: bytes, six: bool) -> bool:
    """Whether a receiver takes it: lengths and both checksums."""
    ip = frame[14:54] if six else frame[14:34]
    tcp = frame[14 + len(ip) :]
    if six:
        length = int.from_bytes(ip[4:6], "big")
        pseudo = ip[8:40]
    else:
        length = int.from_bytes(ip[2:4], "big") - 20
        pseudo = ip[12:20]
        if plain_sum(ip) != 0xFFFF:
            return False
    return length == len(tcp) and plain_sum(pseudo + struct.pack("!II", len(tcp), 6) + tcp) == 0xFFFF


@given(st.binary(min_size=1, max_size=5000), st.integers(50, 1460), st.booleans())
def test_every_segment_of_a_large_one_is_what_a_receiver_takes_and_nothing_is_lost(content, size, six):
    header, frame = segment(size, content, six)
    made = list(frames.restored(header, frame, b""))
    head = len(frame) - len(content)
    assert all(is_valid(one, six) for one in made)
    assert b"".join(one[head:] for one in made) == content
    assert all(len(one) - head <= size for one in made)
    tcp = 14 + (40 if six else 20)
    assert [int.from_bytes(one[tcp + 4 : tcp + 8], "big") for one in made] == [
        1000 + at for at in range(0, len(content), size)
    ]


def test_only_the_last_segment_ends_a_connection():
    header, frame = segment(100, bytes(250), six=False, flags=0x19)
    assert [one[47] for one in frames.restored(header, frame, b"")] == [0x10, 0x10, 0x19]


def test_a_checksum_of_zero_is_sent_as_its_other_form_so_that_udp_does_not_read_it_as_none():
    frame = ADDRESSES + b"\x08\x00" + b"\xff\xff\x00\x00"
    assert frames.checksummed(frame, 14, 2)[-2:] == b"\xff\xff"


@given(st.binary(min_size=10, max_size=10), st.binary(max_size=120), st.sampled_from([b"", b"\x81\x00\x00\x01"]))
def test_no_header_whatever_breaks_the_relay_with_another_error(header, frame, tag):
    try:
        made = list(frames.restored(header, frame, tag))
    except ValueError:
        return
    assert all(made) or not frame


def test_segments_that_only_hardware_could_make_are_refused():
    with pytest.raises(ValueError, match="segments of kind 3"):
        list(frames.restored(frames.HEADER.pack(1, 3, 42, 100, 34, 6), bytes(200), b""))
