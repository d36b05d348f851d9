"""Reads captures: the file format of libpcap (pcap-savefile(5)), independently of what writes them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

MAGIC = {0xA1B2C3D4: 1e-6, 0xA1B23C4D: 1e-9}


def read_pcap(path: Path) -> Iterator[tuple[float, bytes]]:
    """Time and bytes of every frame of an Ethernet capture. Fails for anything that is not one."""
    data = path.read_bytes()
    magic, major, minor, _, _, longest, link = struct.unpack_from("<IHHiIII", data)
    assert (major, minor, link) == (2, 4, 1)
    place = 24
    while place < len(data):
        seconds, fraction, kept, length = struct.unpack_from("<IIII", data, place)
        place += 16
        assert kept == length <= longest
        assert place + kept <= len(data), "a frame that is not whole"
        yield seconds + fraction * MAGIC[magic], data[place : place + kept]
        place += kept
