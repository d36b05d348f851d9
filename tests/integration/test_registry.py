"""The client against Debian's docker-registry: blobs that break on their way, passwords, tokens, certificates."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.registry import (
    IMPATIENT,
    PASSWORD,
    RealRegistry,
    access,
    free_port,
    logged_in,
    make_certificate,
    real_registry,
    with_password,
)
from support.registry_odd import FakeRegistry, TokenServer, cutting_proxy, serving

from labwright.errors import Cause, LabwrightError
from labwright.registry.authorities import all_authorities
from labwright.registry.blob import Blob, Piece
from labwright.registry.client import Registry
from labwright.registry.manifest import EMPTY, EMPTY_TYPE, Descriptor, described, make_manifest
from labwright.registry.reference import Reference, parse_reference
from labwright.registry.upload import CHUNK

SIZE = 3 * CHUNK + 12345
EMPTY_BLOB = Blob.of(EMPTY)
UNTIL_IT_IS_BACK = dataclasses.replace(IMPATIENT, pauses=(0.5,) * 60)
"""For a registry that starts again."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[RealRegistry]:
    """One without TLS and passwords; each test has a repository of its own in it."""
    with real_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def large(tmp_path: Path) -> Blob:
    """Three and a bit chunks of a file."""
    path = tmp_path / "large"
    path.write_bytes(os.urandom(SIZE))
    return Blob.of(b"header", Piece.whole(path), b"end")


def pushed(registry: Registry, repository: str, *blobs: Blob, tag: str = "one", subject: Descriptor | None = None):
    """An image of these blobs."""
    for blob in (*blobs, EMPTY_BLOB):
        registry.push_blob(repository, blob)
    layers = tuple(described(blob, "application/octet-stream") for blob in blobs)
    manifest = make_manifest(described(EMPTY_BLOB, EMPTY_TYPE), layers, {}, "application/vnd.test", subject)
    if subject is None:
        registry.put(Reference(registry.host, repository, tag), manifest)
    else:
        registry.attach(repository, manifest)
    return manifest


def test_a_blob_goes_there_and_comes_back_the_same(shared, large, tmp_path):
    with Registry(shared.host, access()) as registry:
        assert registry.push_blob("there/and-back", large) == large.size
        assert registry.blob_size("there/and-back", large.digest) == large.size
        registry.pull_blob("there/and-back", described(large, "x"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large.content()
    assert shared.blob(large.digest).read_bytes() == large.content()


def test_what_is_there_is_not_sent_again(shared, large):
    with Registry(shared.host, access()) as registry:
        registry.push_blob("twice", large)
        assert registry.push_blob("twice", large) == 0


def test_a_blob_of_another_repository_is_taken_over_without_being_sent(shared, large):
    with Registry(shared.host, access()) as registry:
        registry.push_blob("mount/from", large)
        assert registry.push_blob("mount/to", large, mount=("mount/nothing-there", "mount/from")) == 0
        assert registry.blob_size("mount/to", large.digest) == large.size


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_blobs_at_the_edges_of_chunks_arrive_whole(shared, size):
    blob = Blob.of(os.urandom(size))
    with Registry(shared.host, access()) as registry:
        registry.push_blob("edges", blob)
    assert hashlib.sha256(shared.blob(blob.digest).read_bytes()).hexdigest() == blob.digest.removeprefix("sha256:")


def test_an_upload_that_a_cut_connection_broke_is_whole_in_the_end_and_was_not_sent_twice(shared, large):
    with cutting_proxy(shared.port, cuts=[CHUNK + 100_000]) as proxy, Registry(proxy.host, access()) as registry:
        registry.push_blob("cut", large)
        assert proxy.cuts == []
        # Debian's registry forgets the upload for the chunk that came in part.
        assert large.size + CHUNK < proxy.up < 2 * large.size
    assert shared.blob(large.digest).read_bytes() == large.content()


def test_an_upload_goes_on_in_the_middle_of_a_chunk_where_the_registry_keeps_what_came(large):
    """By a fake that does what the specification says."""
    with (
        serving(FakeRegistry()) as fake,
        cutting_proxy(fake.server_port, cuts=[CHUNK + 3_000_000, 2_000_000]) as proxy,
        Registry(proxy.host, access()) as registry,
    ):
        registry.push_blob("cut", large)
        assert proxy.cuts == []
        assert fake.blobs[large.digest] == large.content()
        assert proxy.up < large.size + (1 << 20)


def test_a_registry_that_is_killed_between_chunks_and_comes_back_gets_only_the_rest(tmp_path, large):
    said: list[str] = []
    with real_registry(tmp_path / "killed") as server:

        def kill_once(text: str) -> None:
            said.append(text)
            if text.startswith("uploading: 3") and server.process:
                server.stop()
                threading.Timer(0.7, server.start).start()

        with Registry(server.host, access(patience=UNTIL_IT_IS_BACK), kill_once) as registry:
            sent = registry.push_blob("killed", large)
        assert any("trying again" in text for text in said)
        assert sent < large.size + CHUNK + (1 << 18)
        assert server.blob(large.digest).read_bytes() == large.content()


def test_a_registry_that_is_killed_within_a_chunk_gets_the_blob_whole(tmp_path, large):
    with real_registry(tmp_path / "killed") as server:

        def kill() -> None:
            server.stop()
            threading.Timer(0.7, server.start).start()

        with (
            cutting_proxy(server.port, cuts=[2 * CHUNK + 1_000_000], on_cut=kill) as proxy,
            Registry(proxy.host, access(patience=UNTIL_IT_IS_BACK)) as registry,
        ):
            registry.push_blob("killed", large)
            assert proxy.up < 2 * large.size
        assert server.blob(large.digest).read_bytes() == large.content()


def test_a_download_that_breaks_goes_on_where_it_broke(shared, large, tmp_path):
    with Registry(shared.host, access()) as registry:
        registry.push_blob("down", large)
    with (
        cutting_proxy(shared.port, down_cuts=[CHUNK, 5_000_000]) as proxy,
        Registry(proxy.host, access()) as registry,
    ):
        registry.pull_blob("down", described(large, "x"), tmp_path / "back")
        assert proxy.down_cuts == []
        assert proxy.down < large.size + (1 << 20)
    assert (tmp_path / "back").read_bytes() == large.content()


def test_a_damaged_blob_is_refused_and_nothing_is_left(shared, tmp_path):
    blob = Blob.of(b"good" * 100_000)
    with Registry(shared.host, access()) as registry:
        registry.push_blob("damaged", blob)
        place = shared.blob(blob.digest)
        place.write_bytes(b"evil" + place.read_bytes()[4:])
        with pytest.raises(LabwrightError, match="its hash is another") as caught:
            registry.pull_blob("damaged", described(blob, "x"), tmp_path / "back")
    assert caught.value.cause == Cause.SIGNATURE
    assert not list(tmp_path.glob("*back*"))


@pytest.mark.parametrize("lie", [-1, 1])
def test_a_descriptor_that_lies_about_the_size_is_refused(shared, tmp_path, lie):
    blob = Blob.of(os.urandom(100_000))
    wrong = Descriptor("x", blob.digest, blob.size + lie)
    with Registry(shared.host, access()) as registry:
        registry.push_blob("lies", blob)
        with pytest.raises(LabwrightError, match="not what the manifest names") as caught:
            registry.pull_blob("lies", wrong, tmp_path / "back")
    assert caught.value.cause == Cause.SIGNATURE
    assert not list(tmp_path.glob("*back*"))


def test_a_disk_that_takes_no_more_is_not_taken_for_a_broken_network(shared, large, tmp_path):
    with Registry(shared.host, access()) as registry:
        registry.push_blob("full", large)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with cutting_proxy(shared.port) as proxy, Registry(proxy.host, access()) as registry:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, before[1]))
        try:
            with pytest.raises(LabwrightError, match="cannot be written") as caught:
                registry.pull_blob("full", described(large, "x"), tmp_path / "back")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert caught.value.cause == Cause.HOST
        assert proxy.down < large.size + (1 << 20)
    assert not list(tmp_path.glob("*back*"))


def test_a_password_that_is_wrong_or_lacks_says_where_it_was_sought(tmp_path):
    folder = tmp_path / "registry"
    blob = Blob.of(b"small")
    with real_registry(folder, with_password(folder)) as server:
        with Registry(server.host, access(auth_file=logged_in(tmp_path, server.host))) as registry:
            assert registry.push_blob("mine", blob) == blob.size
        wrong = logged_in(tmp_path, server.host, "wrong")
        home = {"HOME": str(tmp_path / "home")}
        for how, words in ((access(auth_file=wrong), str(wrong)), (access(environ=home), "home/.docker/config.json")):
            with (
                Registry(server.host, how) as registry,
                pytest.raises(LabwrightError, match="not logged in, or a wrong password") as caught,
            ):
                registry.push_blob("mine", blob)
            assert caught.value.cause == Cause.CONFIG
            assert words in caught.value.hint
            assert PASSWORD not in f"{caught.value} {caught.value.hint} {caught.value.details}"


def test_tokens_are_fetched_for_what_is_done(tmp_path):
    blob = Blob.of(b"small")
    with serving(TokenServer(tmp_path)) as tokens, real_registry(tmp_path / "registry", tokens.settings) as server:
        with Registry(server.host, access(auth_file=logged_in(tmp_path, server.host))) as registry:
            manifest = pushed(registry, "by/token", blob)
            assert registry.get(Reference(server.host, "by/token", "one")).digest == manifest.digest
            assert registry.push_blob("by/other", blob, mount=("by/token",)) == 0
        assert {"service": ["tests"], "scope": ["repository:by/token:pull,push"]} in tokens.asked
        wrong = access(auth_file=logged_in(tmp_path, server.host, "wrong"))
        with Registry(server.host, wrong) as registry, pytest.raises(LabwrightError, match="no token") as caught:
            registry.push_blob("by/token", blob)
        assert caught.value.details == ("UNAUTHORIZED: wrong password",)


def test_a_token_that_ran_out_is_fetched_anew(tmp_path):
    with serving(TokenServer(tmp_path)) as tokens, real_registry(tmp_path / "registry", tokens.settings) as server:
        # docker-registry allows a clock to be a minute wrong.
        tokens.seconds = -58
        with Registry(server.host, access(auth_file=logged_in(tmp_path, server.host))) as registry:
            registry.push_blob("by/token", Blob.of(b"one"))
            before = len(tokens.asked)
            time.sleep(3)
            tokens.seconds = 300
            registry.push_blob("by/token", Blob.of(b"two"))
        assert len(tokens.asked) > before


def test_a_certificate_holds_only_with_its_authority(tmp_path):
    with real_registry(tmp_path / "registry", tls=True) as server:
        with Registry(server.host, access(authorities=server.ca)) as registry:
            assert registry.push_blob("by/tls", Blob.of(b"small")) == 5
        (tmp_path / "other").mkdir()
        for authorities in (None, make_certificate(tmp_path / "other")):
            with (
                Registry(server.host, access(authorities=authorities)) as registry,
                pytest.raises(LabwrightError, match=f"certificate of {server.host} does not hold") as caught,
            ):
                registry.push_blob("by/tls", Blob.of(b"small"))
            assert caught.value.cause == Cause.SIGNATURE
            assert "--ca" in caught.value.hint


def test_a_token_server_of_the_registrys_own_authority_is_believed_and_another_is_named(tmp_path, monkeypatch):
    with (
        serving(TokenServer(tmp_path, tls=True)) as tokens,
        real_registry(tmp_path / "registry", tokens.settings, tls=True) as server,
    ):
        both = tmp_path / "both.pem"
        both.write_bytes(server.ca.read_bytes() + tokens.ca.read_bytes())
        known = logged_in(tmp_path, server.host)

        def push(authorities: Path) -> int:
            with Registry(server.host, access(authorities=authorities, auth_file=known)) as registry:
                return registry.push_blob("by/token", Blob.of(os.urandom(10)))

        assert push(both) == 10
        with pytest.raises(LabwrightError, match="certificate of") as caught:
            push(server.ca)
        assert f"the certificate of 127.0.0.1:{tokens.server_port} does not hold" in caught.value.what
        assert caught.value.cause == Cause.SIGNATURE
        # The system's authorities count for it beside those named, but not for the registry.
        monkeypatch.setenv("SSL_CERT_FILE", str(tokens.ca))
        assert push(server.ca) == 10
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
        with pytest.raises(LabwrightError, match=f"certificate of {server.host} does not hold"):
            push(tokens.ca)


def test_no_bundle_of_authorities_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with all_authorities(make_certificate(tmp_path)) as bundle:
        assert list((tmp_path / "temporary").iterdir()) == [Path(str(bundle))]
        assert (tmp_path / "ca.pem").read_bytes() in Path(str(bundle)).read_bytes()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_registry_that_is_down_is_a_fault_of_the_network():
    host = f"127.0.0.1:{free_port()}"
    with Registry(host, access()) as registry, pytest.raises(LabwrightError, match="refused") as caught:
        registry.get(parse_reference(f"{host}/a:b"))
    assert caught.value.cause == Cause.NETWORK
    assert caught.value.hint


def test_an_image_that_is_not_there_is_said_so(shared):
    with (
        Registry(shared.host, access()) as registry,
        pytest.raises(LabwrightError, match="is not in the reg") as caught,
    ):
        registry.get(Reference(shared.host, "no/such", "image"))
    assert caught.value.cause == Cause.CONFIG


def test_a_manifest_by_its_digest_is_compared_with_it(shared):
    with Registry(shared.host, access()) as registry:
        manifest = pushed(registry, "compared", Blob.of(b"layer"))
        assert registry.get(Reference(shared.host, "compared", digest=manifest.digest)) == manifest
        place = shared.blob(manifest.digest)
        place.write_bytes(place.read_bytes().replace(b"vnd.test", b"vnd.evil"))
        with pytest.raises(LabwrightError) as caught:
            registry.get(Reference(shared.host, "compared", digest=manifest.digest))
    assert caught.value.cause in {Cause.SIGNATURE, Cause.NETWORK}


def test_tags_are_listed_whatever_their_number(shared):
    with Registry(shared.host, access()) as registry:
        manifest = pushed(registry, "tags", Blob.of(b"layer"))
        registry.put(Reference(shared.host, "tags", "two"), manifest)
        assert registry.tags("tags") == ("one", "two")
        assert registry.tags("no/such") == ()


def test_what_refers_to_an_image_is_found_without_the_registrys_help(shared):
    with Registry(shared.host, access()) as registry:
        image = pushed(registry, "referred", Blob.of(b"image"))
        first = pushed(registry, "referred", Blob.of(b"a list"), subject=image.descriptor)
        second = pushed(registry, "referred", Blob.of(b"a proof"), subject=image.descriptor)
        registry.attach("referred", second)
        listed = registry.referrers("referred", image.digest)
        assert {one.digest for one in listed} == {first.digest, second.digest}
        assert {one.artifact_type for one in listed} == {"application/vnd.test"}
        assert registry.referrers("referred", first.digest) == ()
        assert image.digest.replace(":", "-") in registry.tags("referred")
