"""Where a registry leads: nothing beyond the place is read of the answer that does so, and what is no place is said."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from support.registry import IMPATIENT, access
from support.registry_odd import FakeRegistry, serving

from labwright.errors import Cause, LabwrightError
from labwright.registry.blob import Blob
from labwright.registry.client import Registry
from labwright.registry.manifest import described
from labwright.registry.reference import Reference

BLOB = Blob.of(b"content" * 1000)
MB = 1 << 20
NO_URLS = ("https://[::1", "https://h:99999/x", "https://h:x/", "http://\u2100.example".encode().decode("latin-1"),
           "https:///x", "//[", "https://[v1.]x]/", "https://x]/")  # fmt: skip


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with serving(FakeRegistry()) as server:
        yield server


def leading_there(fake: FakeRegistry, answer: Any) -> None:
    """A registry whose first answer about the blob is this one; it has the blob at another place."""
    fake.blobs[BLOB.digest] = BLOB.content()
    fake.odd = lambda request: request.path.startswith("/v2/a/") and (answer(request), True)[1]


def test_an_answer_that_leads_elsewhere_is_not_read_however_long_it_is(fake, tmp_path):
    sent: list[int] = []

    def answer(request: Any) -> None:
        request.send_response(307)
        request.send_header("Location", f"/v2/b/blobs/{BLOB.digest}")
        request.send_header("Content-Length", str(400 * MB))
        request.end_headers()
        for _ in range(400):
            sent.append(request.wfile.write(b"x" * MB))

    leading_there(fake, answer)
    with Registry(fake.host, access()) as registry:
        registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == BLOB.content()
    assert sum(sent) < 50 * MB, "no more than what the kernel takes in advance"


def test_an_answer_that_leads_elsewhere_is_not_unpacked(fake, tmp_path):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(MB)) for _ in range(300)) + packer.flush()
    leading_there(fake, lambda request: request.answer(
        307, bomb, Location=f"/v2/b/blobs/{BLOB.digest}", Content_Encoding="gzip"))  # fmt: skip
    started = time.monotonic()
    with Registry(fake.host, access()) as registry:
        registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")
    assert time.monotonic() - started < 5


def drip(request: Any, code: int, **headers: str) -> None:
    """An answer of which a byte comes each tenth of a second, for longer than anybody waits."""
    request.send_response(code)
    for name, value in {"Content_Length": "10000", **headers}.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    for _ in range(400):
        request.wfile.write(b"x")
        request.wfile.flush()
        time.sleep(0.1)


def test_an_answer_that_leads_elsewhere_is_not_waited_for(fake, tmp_path):
    leading_there(fake, lambda request: drip(request, 307, Location=f"/v2/b/blobs/{BLOB.digest}"))
    started = time.monotonic()
    with Registry(fake.host, access()) as registry:
        registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")
    assert time.monotonic() - started < 5


def test_a_refusal_of_a_download_that_trickles_is_given_up(fake, tmp_path):
    leading_there(fake, lambda request: drip(request, 403))
    hasty = access(patience=type(IMPATIENT)(connect=5, read=2, answer=1, standstill=0.5, pauses=(0.1,)))
    started = time.monotonic()
    with Registry(fake.host, hasty) as registry, pytest.raises(LabwrightError, match="the answer has no end") as caught:
        registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")
    assert caught.value.cause == Cause.NETWORK
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("where", NO_URLS)
@pytest.mark.parametrize("proxied", [False, True])
def test_a_place_that_is_no_url_is_an_error_and_no_bug(where, proxied, fake, tmp_path, monkeypatch):
    if proxied:
        # With it requests looks at the port of each place.
        monkeypatch.setenv("NO_PROXY", "registry.example.org")
    leading_there(fake, lambda request: request.answer(307, Location=where))
    with Registry(fake.host, access()) as registry, pytest.raises(LabwrightError) as caught:
        registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")
    assert caught.value.cause in {Cause.CONFIG, Cause.NETWORK}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", NO_URLS)
def test_an_upload_to_what_is_no_url_is_an_error_and_no_bug(where, fake):
    fake.odd = lambda request: request.command == "POST" and (request.answer(202, Location=where), True)[1]
    with Registry(fake.host, access()) as registry, pytest.raises(LabwrightError) as caught:
        registry.push_blob("a", BLOB)
    assert caught.value.cause in {Cause.CONFIG, Cause.NETWORK}


def test_the_error_names_the_place_that_is_no_url(fake, tmp_path):
    leading_there(fake, lambda request: request.answer(307, Location="https://[::1"))
    with Registry(fake.host, access()) as registry, pytest.raises(LabwrightError) as caught:
        registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")
    assert caught.value.what.endswith("it leads to 'https://[::1', which is no URL")
    assert caught.value.cause == Cause.CONFIG


def test_a_length_of_thousands_of_digits_is_an_error_and_no_bug(fake, tmp_path):
    leading_there(fake, lambda request: request.answer(200, b"x", Content_Length="9" * 5000, Connection="close"))
    with Registry(fake.host, access()) as registry, pytest.raises(LabwrightError):
        registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")


@pytest.mark.parametrize("what", ["the size of a part", "what follows the last part"])
@pytest.mark.parametrize("large", [False, True])
def test_what_is_no_part_of_an_answer_has_an_end_as_well(what, large, fake, tmp_path):
    def answer(request: Any) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"1;x=" if what == "the size of a part" else b"1\r\nx\r\n0\r\nX: y")
        for count in range(400):
            request.wfile.write(b"x" if count % 20 or what == "the size of a part" else b"\r\nX: y")
            request.wfile.flush()
            time.sleep(0.1)

    leading_there(fake, answer)
    hasty = access(patience=type(IMPATIENT)(connect=5, read=0.5, answer=0.5, standstill=0.5, pauses=(0.1,)))
    started = time.monotonic()
    with Registry(fake.host, hasty) as registry, pytest.raises(LabwrightError, match="the answer has no end") as caught:
        if large:
            registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")
        else:
            registry.get(Reference(fake.host, "a", "b"))
    assert caught.value.cause == Cause.NETWORK
    assert time.monotonic() - started < 12
