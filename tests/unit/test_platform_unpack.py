"""Layers from outside: hostile ones are refused, in little memory, and sound ones give what is in them."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.publish.container import Member
from labwright.publish.platform.extents import DISKS, pack_layer
from labwright.publish.platform.unpack import RATIO, SLACK, Allowance, Unsound, files

MEGABYTE = 1 << 20
NAME = "disk/" + "a" * 24


def entry(kind: bytes, size: int, data: bytes = b"", **more: object) -> bytes:
    """A header that claims `size`, and data; with room to the next block."""
    info = tarfile.TarInfo(NAME)
    info.type, info.size = kind, size
    for name, value in more.items():
        setattr(info, name, value)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def layer(folder: Path, *parts: bytes) -> Path:
    place = folder / "layer"
    with gzip.open(place, "wb", compresslevel=1) as stream:
        for part in (*parts, bytes(1024)):
            stream.write(part)
    return place


def content(place: Path, allowance: Allowance | None = None) -> dict[str, bytes]:
    found = files(place, allowance or Allowance.of(place.stat().st_size))
    return {one.name: b"".join(one.chunks) for one in found}


@pytest.mark.parametrize("kind", [b"x", b"g", b"X", b"L", b"K"])
def test_an_entry_of_the_archives_own_is_refused_before_its_content_is_read(tmp_path, kind):
    place = layer(tmp_path, entry(kind, 128 * MEGABYTE), *[bytes(MEGABYTE)] * 128)
    assert place.stat().st_size < MEGABYTE
    tracemalloc.start()
    try:
        with pytest.raises(Unsound, match="something else than folders and plain files"):
            content(place)
        assert tracemalloc.get_traced_memory()[1] < 8 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_many_entries_take_no_memory_each(tmp_path):
    place = layer(tmp_path, entry(tarfile.REGTYPE, 0) * 20_000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in files(place, Allowance.of(place.stat().st_size))) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 4 * MEGABYTE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("words", [b"27 GNU.sparse.size=abc\n", b"20 GNU.sparse.map=\n", b"12 size=512\n"])
def test_a_pax_header_with_nonsense_is_a_refusal_and_no_accident(tmp_path, words):
    place = layer(tmp_path, entry(b"x", len(words), words), entry(tarfile.REGTYPE, 3, b"abc"))
    with pytest.raises(Unsound):
        content(place)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"?"]
)
def test_links_and_devices_are_refused(tmp_path, kind):
    with pytest.raises(Unsound, match="something else"):
        content(layer(tmp_path, entry(kind, 0)))


@pytest.mark.parametrize("size", [-512, -1])
def test_a_size_below_nothing_is_refused(tmp_path, size):
    with pytest.raises(Unsound, match="something else"):
        content(layer(tmp_path, entry(tarfile.REGTYPE, size)))


def test_what_comes_out_of_a_layer_is_bounded_by_what_went_in(tmp_path):
    size = 100 * MEGABYTE
    place = layer(tmp_path, entry(tarfile.REGTYPE, size), *[bytes(MEGABYTE)] * 100)
    assert RATIO * place.stat().st_size + SLACK < size
    came = 0
    with pytest.raises(Unsound, match="much more comes out"):
        for one in files(place, Allowance.of(place.stat().st_size)):
            for chunk in one.chunks:
                came += len(chunk)
    assert 0 < came < size


def test_the_allowance_is_one_for_all_layers(tmp_path):
    place = layer(tmp_path, entry(tarfile.REGTYPE, MEGABYTE, bytes(MEGABYTE)))
    allowance = Allowance(3 * MEGABYTE)
    content(place, allowance)
    content(place, allowance)
    with pytest.raises(Unsound):
        content(place, allowance)


@pytest.mark.parametrize("cut", [1, 600, 100_000])
def test_a_layer_that_is_cut_off_is_refused(tmp_path, cut):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo(NAME)
        info.size = 200_000
        archive.addfile(info, io.BytesIO(b"x" * info.size))
    (tmp_path / "tar").write_bytes(gzip.compress(stream.getvalue()[:cut]))
    with pytest.raises(Unsound, match="no packed tar archive"):
        content(tmp_path / "tar")
    whole = gzip.compress(stream.getvalue())
    (tmp_path / "gzip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Unsound, match="no packed tar archive"):
        content(tmp_path / "gzip")


def test_a_file_that_nobody_reads_is_passed_over(tmp_path):
    packed = pack_layer([DISKS, Member("disk/a", 0o444, b"a" * 700), Member("disk/b", 0o444, b"b")], tmp_path / "layer")
    assert [one.name for one in files(packed.file, Allowance(MEGABYTE))] == ["disk/a", "disk/b"]


@settings(max_examples=50)
@given(st.dictionaries(st.from_regex(r"[0-9a-f]{24}", fullmatch=True), st.binary(max_size=2000), max_size=5))
def test_a_layer_of_ours_comes_back_as_it_was(tmp_path_factory, given_files):
    members = [DISKS, *(Member(f"disk/{name}", 0o444, data) for name, data in given_files.items())]
    packed = pack_layer(members, tmp_path_factory.mktemp("ours") / "layer")
    assert content(packed.file) == {f"disk/{name}": data for name, data in given_files.items()}


@settings(max_examples=200)
@given(st.integers(0, 511), st.binary(min_size=1, max_size=12), st.booleans())
def test_a_damaged_header_gives_files_or_a_refusal_and_nothing_else(tmp_path_factory, place, damage, summed):
    block = bytearray(entry(tarfile.REGTYPE, 3))
    block[place : place + len(damage)] = damage
    del block[512:]
    if summed:
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    hostile = layer(tmp_path_factory.mktemp("damaged"), bytes(block), b"abc" + bytes(509))
    try:
        content(hostile)
    except Unsound as error:
        assert str(error)
