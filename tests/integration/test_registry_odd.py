"""Registries that are slow, full, busy, or lead astray, by a fake that is odd on order; and one that is cut off."""

from __future__ import annotations

import base64
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.registry import IMPATIENT, PASSWORD, USER, access, logged_in
from support.registry_odd import FakeRegistry, serving

from labwright.errors import Cause, LabwrightError
from labwright.registry.blob import Blob
from labwright.registry.client import Registry
from labwright.registry.manifest import described
from labwright.registry.reference import Reference
from labwright.registry.upload import CHUNK

BLOB = Blob.of(b"content" * 1000)


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with serving(FakeRegistry()) as server:
        yield server


def is_upload(request: Any) -> bool:
    return request.command in {"PUT", "PATCH"}


def test_a_size_that_is_refused_names_the_limit_to_raise(fake):
    def odd(request: Any) -> bool:
        if is_upload(request):
            request.answer(413, b"<html>Request Entity Too Large</html>", Content_Type="text/html", Connection="close")
        return is_upload(request)

    fake.odd = odd
    with Registry(fake.host, access()) as registry, pytest.raises(LabwrightError, match="too large") as caught:
        registry.push_blob("a", BLOB)
    assert caught.value.cause == Cause.CONFIG
    assert "client_max_body_size" in caught.value.hint
    assert len([one for one in fake.requests if one[0] == "PUT"]) == 1


def test_a_busy_registry_is_left_alone_for_as_long_as_it_asks(fake):
    times: list[float] = []

    def odd(request: Any) -> bool:
        if request.command == "POST":
            times.append(time.monotonic())
            if len(times) == 1:
                request.answer(429, Retry_After="2")
                return True
        return False

    fake.odd = odd
    with Registry(fake.host, access()) as registry:
        registry.push_blob("a", BLOB)
    assert times[1] - times[0] >= 2
    assert fake.blobs[BLOB.digest] == BLOB.content()


def test_a_registry_that_asks_for_a_day_is_given_up(fake):
    fake.odd = lambda request: request.command == "POST" and (request.answer(429, Retry_After="86400"), True)[1]
    started = time.monotonic()
    with Registry(fake.host, access()) as registry, pytest.raises(LabwrightError, match="answers 429") as caught:
        registry.push_blob("a", BLOB)
    assert caught.value.cause == Cause.NETWORK
    assert time.monotonic() - started < 30


def test_a_server_error_in_a_chunk_is_got_over_without_sending_what_arrived(fake):
    failures = [2, 3]
    large = Blob.of(os.urandom(3 * CHUNK))

    def odd(request: Any) -> bool:
        if request.command == "PATCH" and len([one for one in fake.requests if one[0] == "PATCH"]) in failures:
            request.rfile.read(int(request.headers["Content-Length"]))
            request.answer(503)
            return True
        return False

    fake.odd = odd
    with Registry(fake.host, access()) as registry:
        assert registry.push_blob("a", large) == large.size + 2 * CHUNK
    assert fake.blobs[large.digest] == large.content()
    starts = [one[2]["Content-Range"].partition("-")[0] for one in fake.requests if one[0] == "PATCH"]
    assert starts == ["0", str(CHUNK), str(CHUNK), str(CHUNK), str(2 * CHUNK)]


def test_a_registry_that_takes_no_chunks_gets_the_blob_in_one_piece(fake):
    large = Blob.of(os.urandom(2 * CHUNK))

    def odd(request: Any) -> bool:
        if request.command == "PATCH":
            request.rfile.read(int(request.headers["Content-Length"]))
            request.answer(405)
        return request.command == "PATCH"

    fake.odd = odd
    with Registry(fake.host, access()) as registry:
        registry.push_blob("a", large)
    assert fake.blobs[large.digest] == large.content()


def patches(fake: FakeRegistry) -> list[int]:
    """How long the chunks were that came."""
    return [int(one[2]["Content-Length"]) for one in fake.requests if one[0] == "PATCH"]


def test_no_chunk_is_larger_than_ghcr_takes(fake):
    large = Blob.of(os.urandom(9 << 20))

    def odd(request: Any) -> bool:
        too_large = request.command == "PATCH" and int(request.headers["Content-Length"]) > 4 << 20
        if too_large:
            request.rfile.read(int(request.headers["Content-Length"]))
            request.answer(416)
        return too_large

    fake.odd = odd
    with Registry(fake.host, access()) as registry:
        assert registry.push_blob("a", large) == large.size
    assert patches(fake) == [4 << 20, 4 << 20, 1 << 20]


@pytest.mark.parametrize("code", [416, 404])
def test_a_registry_that_takes_only_the_first_chunk_gets_the_blob_in_one_piece(code, fake):
    large = Blob.of(os.urandom(2 * CHUNK + 5))

    def odd(request: Any) -> bool:
        later = request.command == "PATCH" and not request.headers["Content-Range"].startswith("0-")
        if later:
            request.rfile.read(int(request.headers["Content-Length"]))
            request.answer(code)
        return later

    fake.odd = odd
    with Registry(fake.host, access()) as registry:
        registry.push_blob("a", large)
    assert fake.blobs[large.digest] == large.content()
    assert patches(fake) == [CHUNK] * 4


def test_a_range_that_stays_at_the_first_chunk_is_no_upload_without_an_end(fake):
    """As Amazon's registry answers."""
    large = Blob.of(os.urandom(2 * CHUNK + 5))

    def odd(request: Any) -> bool:
        if request.command == "PATCH":
            request.rfile.read(int(request.headers["Content-Length"]))
            request.answer(202, Range=f"0-{CHUNK - 1}", Location=request.path)
        return request.command == "PATCH"

    fake.odd = odd
    with Registry(fake.host, access()) as registry:
        registry.push_blob("a", large)
    assert fake.blobs[large.digest] == large.content()
    assert patches(fake) == [CHUNK] * 4


@pytest.mark.parametrize("taken", [0, 1])
def test_a_registry_that_hangs_up_on_chunks_gets_the_blob_in_one_piece(taken, fake):
    large = Blob.of(os.urandom(2 * CHUNK))

    def odd(request: Any) -> bool:
        hung_up = request.command == "PATCH" and len(patches(fake)) > taken
        if hung_up:
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
        return hung_up

    fake.odd = odd
    with Registry(fake.host, access()) as registry:
        registry.push_blob("a", large)
    assert fake.blobs[large.digest] == large.content()
    assert len(patches(fake)) == taken + 2


def test_a_file_that_changes_on_its_way_is_never_taken_for_the_other(fake, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    from labwright.registry.blob import Piece

    blob = Blob.of(Piece.whole(path))
    path.write_bytes(b"two")
    with Registry(fake.host, access()) as registry, pytest.raises(LabwrightError, match="answers 400") as caught:
        registry.push_blob("a", blob)
    assert fake.blobs == {}
    assert "did the file change" in caught.value.hint
    assert caught.value.details == ("DIGEST_INVALID: provided digest did not match",)


@pytest.fixture
def storage() -> Iterator[FakeRegistry]:
    """Where a registry leads to for blobs, as one before an object storage does."""
    with serving(FakeRegistry()) as server:
        yield server


def test_a_redirect_to_a_storage_is_followed_without_telling_it_who_we_are(fake, storage, tmp_path):
    storage.blobs[BLOB.digest] = BLOB.content()
    known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def odd(request: Any) -> bool:
        if request.path == "/v2/":
            return False
        if request.headers.get("Authorization") != known:
            request.answer(401, WWW_Authenticate='Basic realm="x"')
        else:
            request.answer(307, Location=f"http://{storage.host}/v2/a/blobs/{BLOB.digest}")
        return True

    fake.odd = odd
    with Registry(fake.host, access(auth_file=logged_in(tmp_path, fake.host))) as registry:
        registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == BLOB.content()
    assert any(one[2].get("Authorization") == known for one in fake.requests)
    assert [one[2].get("Authorization") for one in storage.requests] == [None]


def test_an_upload_that_leads_to_another_host_does_not_tell_it_who_we_are(fake, storage, tmp_path):
    storage.uploads["elsewhere"] = bytearray()

    def odd(request: Any) -> bool:
        if request.path == "/v2/":
            return False
        if "Authorization" not in request.headers:
            request.answer(401, WWW_Authenticate='Basic realm="x"')
            return True
        if request.command == "POST":
            request.answer(202, Location=f"http://{storage.host}/v2/a/blobs/uploads/elsewhere")
            return True
        return False

    fake.odd = odd
    with Registry(fake.host, access(auth_file=logged_in(tmp_path, fake.host))) as registry:
        registry.push_blob("a", BLOB)
    assert storage.blobs[BLOB.digest] == BLOB.content()
    assert all("Authorization" not in one[2] for one in storage.requests)


@pytest.mark.parametrize(
    "where", ["http://registry.example.org/x", "file:///etc/passwd", "http://u:p@127.0.0.1/x", "gopher://x/"]
)
def test_a_place_that_is_not_by_https_is_not_followed(where, fake, tmp_path):
    fake.odd = lambda request: "/blobs/" in request.path and (request.answer(307, Location=where), True)[1]
    with Registry(fake.host, access()) as registry, pytest.raises(LabwrightError) as caught:
        registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")
    assert caught.value.cause == Cause.CONFIG
    assert "u:p" not in f"{caught.value.what} {caught.value.hint}"
    assert list(tmp_path.glob("*back*")) == []


def test_redirects_without_an_end_are_given_up(fake, tmp_path):
    fake.odd = lambda request: "/blobs/" in request.path and (request.answer(307, Location=request.path), True)[1]
    with Registry(fake.host, access()) as registry, pytest.raises(LabwrightError, match="without an end"):
        registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")


def test_a_download_that_trickles_is_given_up(fake, tmp_path):
    def odd(request: Any) -> bool:
        if not request.path.endswith(BLOB.digest):
            return False
        request.send_response(200)
        request.send_header("Content-Length", str(BLOB.size))
        request.end_headers()
        for _ in range(100):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.1)
        return True

    fake.odd = odd
    hasty = access(patience=type(IMPATIENT)(connect=5, read=2, answer=5, standstill=0.5, pauses=(0.1,)))
    started = time.monotonic()
    with Registry(fake.host, hasty) as registry, pytest.raises(LabwrightError, match="less than 100 bytes") as caught:
        registry.pull_blob("a", described(BLOB, "x"), tmp_path / "back")
    assert caught.value.cause == Cause.NETWORK
    assert time.monotonic() - started < 20
    assert list(tmp_path.glob("*back*")) == []


def test_an_answer_whose_head_trickles_is_given_up(fake):
    def odd(request: Any) -> bool:
        if "/manifests/" not in request.path:
            return False
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(200):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.1)
        return True

    fake.odd = odd
    hasty = access(patience=type(IMPATIENT)(connect=1, read=0.5, answer=0.5, pauses=(0.1,)))
    started = time.monotonic()
    with Registry(fake.host, hasty) as registry, pytest.raises(LabwrightError) as caught:
        registry.get(Reference(fake.host, "a", "b"))
    assert caught.value.cause == Cause.NETWORK
    assert time.monotonic() - started < 12


def test_an_answer_without_an_end_is_cut_off(fake):
    def odd(request: Any) -> bool:
        if "/manifests/" not in request.path:
            return False
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        while True:
            request.wfile.write(b" " * 65536)

    fake.odd = odd
    with Registry(fake.host, access()) as registry, pytest.raises(LabwrightError, match="has more than") as caught:
        registry.get(Reference(fake.host, "a", "b"))
    assert caught.value.cause == Cause.CONFIG


def test_a_server_that_accepts_and_never_answers_is_given_up():
    hasty = access(patience=type(IMPATIENT)(connect=0.5, read=0.5, answer=1, pauses=(0.1, 0.1)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        started = time.monotonic()
        with Registry(host, hasty) as registry, pytest.raises(LabwrightError) as caught:
            registry.get(Reference(host, "a", "b"))
    assert caught.value.cause == Cause.NETWORK
    assert time.monotonic() - started < 20


def test_what_is_no_registry_is_refused_and_not_a_bug(fake):
    fake.odd = lambda request: "/manifests/" in request.path and (request.answer(200, b"<html>hello</html>"), True)[1]
    with Registry(fake.host, access()) as registry, pytest.raises(LabwrightError, match="it is no JSON") as caught:
        registry.get(Reference(fake.host, "a", "b"))
    assert caught.value.cause == Cause.CONFIG


def test_plain_http_is_refused_for_a_registry_that_is_not_on_this_machine(fake, monkeypatch):
    real = socket.getaddrinfo

    def by_another_name(host: str, *words: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == "registry.example.org" else host, *words, **more)

    monkeypatch.setattr(socket, "getaddrinfo", by_another_name)
    host = f"registry.example.org:{fake.server_port}"
    with Registry(host, access()) as registry, pytest.raises(LabwrightError, match="speaks plain HTTP") as caught:
        registry.push_blob("a", BLOB)
    assert caught.value.cause == Cause.CONFIG
    assert fake.requests == []


def test_a_name_that_nobody_has_is_not_tried_again_and_again(monkeypatch):
    asked: list[str] = []

    def nobody(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with (
        Registry("registry.example.invalid", access()) as registry,
        pytest.raises(LabwrightError, match="no host of this name") as caught,
    ):
        registry.push_blob("a", BLOB)
    assert caught.value.cause == Cause.NETWORK
    assert len(asked) == 1


def test_no_proxy_is_asked_for_a_registry_on_this_machine(fake, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with Registry(fake.host, access()) as registry:
        assert registry.push_blob("a", BLOB) == BLOB.size


def test_a_connection_that_breaks_after_the_last_byte_does_not_send_it_again(fake):
    """The answer is lost, not the upload."""
    lost = threading.Event()

    def odd(request: Any) -> bool:
        if request.command == "PUT" and not lost.is_set():
            lost.set()
            data = request.rfile.read(int(request.headers["Content-Length"]))
            fake.blobs[BLOB.digest] = data
            fake.uploads.clear()
            request.close_connection = True
            return True
        return False

    fake.odd = odd
    with Registry(fake.host, access()) as registry:
        assert registry.push_blob("a", BLOB) == BLOB.size
    assert len([one for one in fake.requests if one[0] == "PUT"]) == 1
