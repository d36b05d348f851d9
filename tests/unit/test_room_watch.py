"""What a room is ended for: that it is told from what a lesson may do, and that what cannot be read is no reason."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from labwright.lesson.room import watch

MEBIBYTE = 1 << 20


@contextmanager
def holder(what: str) -> Iterator[int]:
    """A process that holds something until the test is over."""
    program = f"import mmap, os\nheld = {what}\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


def test_memory_of_several_processes_is_counted_together():
    with holder("b'x' * (40 << 20)") as one, holder("b'x' * (30 << 20)") as two:
        assert 70 * MEBIBYTE < watch.memory_of([str(one), str(two)]) < 110 * MEBIBYTE


def test_memory_that_processes_share_counts_and_only_once():
    shared = mmap.mmap(-1, 40 * MEBIBYTE)
    before = watch.memory_of([str(os.getpid())])
    shared.write(b"x" * (40 * MEBIBYTE))
    own = watch.memory_of([str(os.getpid())])
    assert own - before > 35 * MEBIBYTE
    # Twice the same process is as good as two that share it.
    assert watch.memory_of([str(os.getpid())] * 2) < 2 * own - 35 * MEBIBYTE


def test_a_process_that_has_ended_meanwhile_holds_nothing():
    assert watch.memory_of(["4194999", "not-there"]) == 0


def test_a_room_may_take_no_more_than_half_of_the_machine():
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert watch.beginning("/").memory <= total // 2 + MEBIBYTE
    assert watch.beginning("/").memory <= watch.MEMORY


def test_each_reason_is_said_and_without_one_a_room_goes_on(monkeypatch, tmp_path):
    start = watch.beginning(str(tmp_path))
    assert watch.excess(str(tmp_path), replace(start, memory=1 << 50)) is None
    more = watch.excess(str(tmp_path), replace(start, memory=3 * MEBIBYTE))
    assert more == watch.Excess("its processes took more than 3 MiB of memory")
    monkeypatch.setattr(watch, "PROCESSES", 0)
    assert watch.excess(str(tmp_path), replace(start, memory=1 << 50)) == watch.Excess("it had more than 0 processes")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts a tmpfs")
def test_a_disk_that_is_nearly_full_counts_only_where_it_was_filled_meanwhile(tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", tmp_path], check=True)
    try:
        place = str(tmp_path)
        empty = replace(watch.beginning(place), memory=1 << 50)
        grown = replace(empty, free=empty.free + watch.GROWN + 1)
        assert watch.excess(place, grown) is None
        Path(place, "full").write_bytes(bytes(8 * MEBIBYTE - 200 * 1024))
        assert watch.excess(place, empty) is None
        found = watch.excess(place, grown)
        assert found == watch.Excess(f"the disk on which {place} lies was nearly full: 0 MiB were left", disk=True)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
