"""A disk is cut by its content: what did not change is in the same pieces, wherever it moved to."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.publish.platform.blocks import BLOCK, JOINED, SMALLEST, Block, cut, full_blocks, target
from labwright.publish.platform.extents import Extent, Layout, extents_of

MEAN = 16 * BLOCK
TAIL = bytes(4) + b"\x0c\0\0\xde" + b"sums"


def blocks(count: int, seed: int, place: int = 0) -> list[Block]:
    source = random.Random(seed)
    return [Block(place + number * BLOCK, source.randbytes(BLOCK)) for number in range(count)]


def moved(content: list[Block], by: int) -> list[Block]:
    return [Block(block.place + by * BLOCK, block.data) for block in content]


def test_pieces_behind_a_new_file_are_the_same_again():
    before, new, after = blocks(300, 1), blocks(7, 2, 300 * BLOCK), blocks(300, 3, 300 * BLOCK)
    old = {piece.data for piece in cut(before + after, MEAN)}
    made = [piece.data for piece in cut(before + new + moved(after, 7), MEAN)]
    fresh = sum(len(data) for data in made if data not in old)
    assert fresh < 300 * BLOCK // 2, "a file of 7 blocks must not change most of what comes after it"


def test_a_piece_does_not_depend_on_where_it_stands():
    content = blocks(100, 4)
    assert [one.data for one in cut(content, MEAN)] == [one.data for one in cut(moved(content, 1000), MEAN)]


def test_pieces_are_neither_tiny_nor_huge_whatever_the_content():
    same = [Block(number * BLOCK, b"x" * BLOCK) for number in range(1000)]
    for content in (blocks(1000, 5), same):
        sizes = [len(one.data) for one in cut(content, MEAN)]
        assert max(sizes) <= 4 * MEAN + JOINED * BLOCK
        assert all(size >= MEAN // 2 for size in sizes[:-1])


@settings(max_examples=25)
@given(st.lists(st.integers(0, 1500), unique=True, max_size=200).map(sorted))
def test_every_block_is_in_one_span_and_every_range_of_the_disk_in_one_extent(numbers):
    content = [Block(number * BLOCK, number.to_bytes(4, "big") * (BLOCK // 4)) for number in numbers]
    size = 1501 * BLOCK
    placed, data = [], {}
    for number, piece in enumerate(cut(content, MEAN)):
        offset = 0
        for span in piece.spans:
            placed.append((span, str(number), offset))
            offset += span.size
        assert offset == len(piece.data)
        data[str(number)] = piece.data
    disk = bytearray()
    for extent in extents_of(placed, size):
        found = data[extent.file][extent.offset : extent.offset + extent.size] if extent.file else bytes(extent.size)
        disk += found
    wanted = bytearray(size)
    for block in content:
        wanted[block.place : block.place + BLOCK] = block.data
    assert disk == wanted


def test_a_disk_that_ends_within_a_block_has_no_extent_beyond_its_end(tmp_path):
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(BLOCK) + b"x" * 512)
    (block,) = full_blocks(raw)
    (piece,) = cut([block], MEAN)
    assert list(extents_of([(piece.spans[0], "a", 0)], BLOCK + 512)) == [Extent(BLOCK), Extent(512, "a", 0)]


def test_blocks_of_directories_are_told_by_their_tail():
    assert Block(0, bytes(BLOCK - 12) + TAIL).directory
    assert not Block(0, b"x" * BLOCK).directory


@pytest.mark.parametrize(("used", "mean"), [(0, SMALLEST), (200 << 20, SMALLEST), (300 << 20, 2 * SMALLEST)])
def test_larger_disks_have_larger_pieces_so_that_there_are_never_more_than_a_container_takes(used, mean):
    assert target(used) == mean
    assert used / mean <= 56


def test_the_descriptor_names_each_range_with_its_sectors():
    text = Layout(3 * 4096, (Extent(4096, "abc", 8192), Extent(8192)), "system.qcow2").descriptor()
    assert 'RW 8 FLAT "abc" 16\nRW 16 FLAT "zeros" 0\n' in text
