"""Ctrl-C at any moment of a night leaves an old version or a new one, and no build that nobody waits for."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from support.fake_executor import FakeLooker
from support.interrupted import at_each_touch, before, heard

from labwright.host.paths import Paths
from labwright.nightly import record, service
from labwright.nightly.images import Candidate
from labwright.nightly.local import Budget, LocalExecutor
from labwright.nightly.model import Night
from labwright.nightly.night import Book, Rules, run_night
from labwright.nightly.places import Places

NIGHT = Night(1, 0.0, ())
PLENTY = 1 << 50


def made(places: Places, content: str) -> Path:
    output = service.staging(places, NIGHT, "frr")
    output.mkdir(parents=True)
    (output / "frr.qcow2").write_text(content)
    (output / "frr.json").write_text(json.dumps({"sha256": content, "bytes": 1}))
    return output


def test_a_version_is_in_service_at_every_moment_though_the_same_night_makes_it_again(tmp_path):
    def make(moment: int) -> Path:
        places = Places(tmp_path / str(moment))
        service.put_in_service(places, NIGHT, "frr", made(places, "old"))
        made(places, "new")
        return places.root

    def work(root: Path) -> None:
        places = Places(root)
        service.put_in_service(places, NIGHT, "frr", service.staging(places, NIGHT, "frr"))

    seen = []
    for root in at_each_touch(make, work):
        assert service.in_service(Places(root), "frr") is not None
        seen.append((Places(root).current("frr") / "frr.qcow2").read_text())
    assert seen == sorted(seen, reverse=True), "once it is new it stays so"
    assert set(seen) == {"old", "new"}


@pytest.mark.parametrize("again", [False, True])
def test_a_night_that_is_stopped_while_it_starts_a_build_ends_what_runs_and_counts_no_crash(
    tmp_path, monkeypatch, again
):
    """again: and once more while it waits for their ends."""
    candidates = [Candidate(slug, tmp_path / slug) for slug in ("first", "second")]
    places = Places(tmp_path / "nights")
    book = Book(places, record.begin(places, candidates))
    executor = LocalExecutor(Budget(2, PLENTY, PLENTY), Paths(tmp_path / "cache"))
    monkeypatch.setattr("labwright.nightly.local.available_memory", lambda: PLENTY)
    before(monkeypatch, "start", "build of second")
    if again:
        before(monkeypatch, "join", "build of first")
    with heard(), pytest.raises(KeyboardInterrupt):
        run_night(book, candidates, executor, FakeLooker(), Rules())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("build of ")]
    left = record.last(places)
    assert left is not None
    assert {image.slug: image.state for image in left.images} == {"first": "waiting", "second": "waiting"}
