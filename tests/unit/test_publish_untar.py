"""Layers that were made to harm are read within limits, and those of tarfile's making as tarfile reads them."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labwright.publish.untar import BadArchive, entries

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=150)


def archive(*members: tuple[str, bytes], form: int = tarfile.PAX_FORMAT, **changes: object) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as opened:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            for key, value in changes.items():
                setattr(entry, key, value)
            opened.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def header(kind: bytes, size: int) -> bytes:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = kind, size
    return entry.tobuf(tarfile.GNU_FORMAT)


def read(data: bytes, folder: Path) -> list[tuple[str, bytes]]:
    layer = folder / "layer"
    layer.write_bytes(data)
    return [(entry.name, entry.read()) for entry in entries(layer)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=2000)), min_size=1, max_size=5), st.booleans())
def test_what_tarfile_writes_is_read_as_it_was(tmp_path, members, packed):
    data = archive(*members)
    assert read(gzip.compress(data) if packed else data, tmp_path) == members


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(st.data())
def test_a_damaged_archive_is_an_error_with_words_or_read(tmp_path, data):
    whole = bytearray(archive(("disk/leaf.qcow2", b"x" * 600), ("ä" * 120, b"y")))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    try:
        read(bytes(whole[:cut]), tmp_path)
    except BadArchive as error:
        assert str(error)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K", b"X", b"S"])
def test_a_header_of_megabytes_is_refused_before_it_is_in_memory(kind, tmp_path):
    size = 40 << 20
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as stream:
        stream.write(header(kind, size))
        for _ in range(size >> 20):
            stream.write(b"1" * (1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(BadArchive):
            read(packed.getvalue(), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "said",
    [{"GNU.sparse.size": "abc", "GNU.sparse.map": "0,1"}, {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
     {"size": "-1"}, {"size": "abc"}, {"size": "1" * 5000}, {"size": "99999999999"}],
)  # fmt: skip
def test_an_extended_header_that_lies_is_refused(said, tmp_path):
    with pytest.raises(BadArchive):
        read(archive(("disk/leaf.qcow2", b"x" * 600), pax_headers=said), tmp_path)


@pytest.mark.parametrize(
    "body", [b"5 a=b", b"99 a=b\n", b"a=b\n", b"0 a=b\n", b"6 a=b\nx", b"4 ab\n", b"3 =\n", b"\xff"]
)
def test_records_that_cannot_be_read_are_refused(body, tmp_path):
    data = header(b"x", len(body)) + body.ljust(512, b"\0") + archive(("a", b"b"))
    with pytest.raises(BadArchive):
        read(data, tmp_path)


def test_what_unpacks_to_much_more_than_went_in_ends_there_whatever_the_entries(tmp_path):
    many = b"".join(header(b"0", 1 << 20) + bytes(1 << 20) for _ in range(120))
    with pytest.raises(BadArchive, match="much more"):
        read(gzip.compress(many, 6), tmp_path)


def test_content_that_nobody_reads_is_skipped(tmp_path):
    (tmp_path / "layer").write_bytes(archive(("a", b"x" * 1000), ("b", b"y" * 512), ("c", b"")))
    assert [entry.name for entry in entries(tmp_path / "layer")] == ["a", "b", "c"]


def test_a_file_of_more_than_eight_gigabytes_has_its_size_from_the_extended_header(tmp_path):
    entry = tarfile.TarInfo("disk/leaf.qcow2")
    entry.size = 9 << 30
    with (tmp_path / "layer").open("wb") as stream:
        stream.write(entry.tobuf(tarfile.PAX_FORMAT))
        stream.truncate(stream.tell() + entry.size + 1024)
    reading = entries(tmp_path / "layer")
    found = next(reading)
    assert (found.name, found.size, found.is_file) == ("disk/leaf.qcow2", 9 << 30, True)
    assert found.read(100) == bytes(100)
