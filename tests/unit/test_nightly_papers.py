"""What vouches for versions in service: by the key of today, and of nothing that was changed since its tests."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from support.fake_executor import ContentLooker, FakeExecutor
from support.registry_images import signing_key
from support.reports import debian

from labwright.nightly import record, service
from labwright.nightly.executor import JobResult
from labwright.nightly.images import Candidate
from labwright.nightly.model import Night
from labwright.nightly.night import Book, Rules, run_night
from labwright.nightly.papers import papers, renewed
from labwright.nightly.places import Places
from labwright.trust.checksums import check_checksums
from labwright.trust.keys import load_public_key

ONE = [Candidate("frr", Path("/images/frr"))]


class ReportingExecutor(FakeExecutor):
    """A fake one whose builds leave a report of all that papers are made of."""

    def wait(self, seconds: float) -> tuple[JobResult, ...]:
        ended = super().wait(seconds)
        for result in ended:
            report = result.job.output / "frr.json"
            report.write_text(json.dumps(debian() | json.loads(report.read_text())))
        return ended


def night(places: Places, key: str, revision: str) -> Night:
    book = Book(places, record.begin(places, ONE, revision))
    rules = Rules(pauses=(), vouch=papers(key, places.root), renew=renewed(key, places.root))
    run_night(book, ONE, ReportingExecutor(), ContentLooker(), rules)
    book.save(finished=True)
    return book.night


def provenance(folder: Path) -> str:
    return base64.b64decode(json.loads((folder / "frr.intoto.json").read_text())["payload"]).decode()


def test_a_key_that_comes_later_or_is_another_signs_what_is_in_service_as_of_the_night_that_made_it(tmp_path):
    places = Places(tmp_path / "nights")
    night(places, "", "a1" * 20)
    folder = service.in_service(places, "frr")
    for name in ("first", "second"):
        key, public = signing_key(tmp_path, name)
        done = night(places, key, "b2" * 20)
        assert [image.state for image in done.images] == ["unchanged"]
        assert check_checksums(folder, load_public_key(public)) == ()
        assert "a1" * 20 in provenance(folder)
        assert "b2" * 20 not in provenance(folder)
        signature = (folder / "SHA256SUMS.sig").read_bytes()
        night(places, key, "")
        assert (folder / "SHA256SUMS.sig").read_bytes() == signature, "signed once"
    night(places, "", "")
    assert (folder / "SHA256SUMS.sig").read_bytes() == signature, "a night without a key takes no signature away"


@pytest.mark.parametrize("lost", ["SHA256SUMS", "SHA256SUMS.sig"])
def test_papers_that_a_disk_lost_are_written_again(tmp_path, lost):
    places = Places(tmp_path / "nights")
    key, public = signing_key(tmp_path)
    night(places, key, "x")
    (service.in_service(places, "frr") / lost).unlink()
    night(places, key, "x")
    assert check_checksums(service.in_service(places, "frr"), load_public_key(public)) == ()


def test_a_disk_that_is_not_the_one_that_was_tested_is_not_signed(tmp_path):
    places = Places(tmp_path / "nights")
    night(places, "", "x")
    folder = service.in_service(places, "frr")
    report = json.loads((folder / "frr.json").read_text())
    (folder / "frr.json").write_text(json.dumps(report | {"sha256": "0" * 64}))
    done = night(places, signing_key(tmp_path)[0], "x")
    assert [(image.state, image.failure.cause) for image in done.images] == [("failed", "signature")]
    assert not (folder / "SHA256SUMS.sig").exists()
