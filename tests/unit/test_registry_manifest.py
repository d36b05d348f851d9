"""Manifests, blobs and answers of registries: hostile ones are refused, and the same input gives the same bytes."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import Cause, LabwrightError
from labwright.registry.blob import Blob, Piece
from labwright.registry.failures import Answer, Broken, refusal
from labwright.registry.manifest import (
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    make_index,
    make_manifest,
    read_index,
    read_manifest,
)

HASH = "sha256:" + "a" * 64
CONFIG = Descriptor("application/vnd.oci.empty.v1+json", HASH, 2)
LAYER = Descriptor("x/y", "sha256:" + "b" * 64, 3, {"b": "2", "a": "1"})


def changed(**changes: object) -> bytes:
    facts = json.loads(make_manifest(CONFIG, (LAYER,), {"n": "v"}, "a/b", CONFIG).data)
    return json.dumps(facts | changes).encode()


def test_a_manifest_that_is_written_is_read_as_it_was():
    made = make_manifest(CONFIG, (LAYER, LAYER), {"z": "1", "a": "2"}, "a/b", CONFIG)
    assert read_manifest(made.data, "x") == made
    assert made.data == make_manifest(CONFIG, (LAYER, LAYER), {"a": "2", "z": "1"}, "a/b", CONFIG).data
    assert made.digest == f"sha256:{hashlib.sha256(made.data).hexdigest()}"
    assert [blob.digest for blob in made.blobs] == [CONFIG.digest, LAYER.digest]


def test_an_index_that_is_written_is_read_in_one_order():
    assert read_index(make_index((LAYER, CONFIG)), "x") == (CONFIG, LAYER)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no JSON"), (b"[]", "no JSON object"), (b"[" * 100_000, "no JSON"), (b"\xff", "no JSON"),
        (changed(mediaType=OCI_INDEX), "an index"), (changed(manifests=[]), "an index"),
        (changed(schemaVersion=1), "no manifest"), (changed(mediaType="text/html"), "no manifest"),
        (changed(layers={}), "layers"), (changed(layers=[{}] * 5000), "layers"), (changed(layers=[1]), "no object"),
        (changed(config=None), "no object"), (changed(annotations={"a": 1}), "annotations"),
        (changed(annotations=[1]), "annotations"),
        (changed(config={"mediaType": "x", "digest": "sha256:../../etc", "size": 1}), "a digest by sha256"),
        (changed(config={"mediaType": "x", "digest": "md5:abc", "size": 1}), "a digest by sha256"),
        (changed(config={"mediaType": "x", "digest": HASH, "size": -1}), "no number of bytes"),
        (changed(config={"mediaType": "x", "digest": HASH, "size": 1 << 60}), "no number of bytes"),
        (changed(config={"mediaType": "x", "digest": HASH, "size": True}), "no number of bytes"),
        (changed(config={"mediaType": "x", "digest": HASH, "size": "1"}), "no number of bytes"),
    ],
)  # fmt: skip
def test_a_hostile_manifest_is_refused(data, why):
    with pytest.raises(LabwrightError, match=why) as caught:
        read_manifest(data, "r.example/a:b")
    assert caught.value.cause == Cause.CONFIG


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["config", "layers", "annotations", "subject", "artifactType"]), JSON))
def test_any_manifest_is_read_or_refused(facts):
    try:
        read_manifest(json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST} | facts).encode(), "x")
    except LabwrightError as error:
        assert error.cause == Cause.CONFIG


@given(st.lists(st.binary(max_size=20), max_size=5), st.integers(0, 100), st.integers(0, 100), st.data())
def test_any_range_of_a_blob_is_what_its_parts_hold_there(tmp_path_factory, parts, offset, size, data):
    whole = b"".join(parts)
    mixed: list[bytes | Piece] = []
    for number, part in enumerate(parts):
        if data.draw(st.booleans()):
            path = tmp_path_factory.getbasetemp() / f"part-{number}"
            path.write_bytes(b"before" + part + b"after")
            mixed.append(Piece(path, 6, len(part)))
        else:
            mixed.append(part)
    blob = Blob.of(*mixed)
    assert blob.digest == f"sha256:{hashlib.sha256(whole).hexdigest()}"
    assert blob.size == len(whole)
    assert b"".join(blob.read(offset, size)) == whole[offset : offset + size]
    assert blob.content() == whole


def test_a_file_that_becomes_shorter_is_noticed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    blob = Blob.of(Piece.whole(path))
    path.write_bytes(b"x" * 50)
    with pytest.raises(LabwrightError, match="has become shorter"):
        blob.content()


def test_what_a_registry_says_is_repeated_short_and_harmless():
    said = [{"code": "DENIED", "message": "no\x1b[31m\nway " + "x" * 5000, "detail": {"a": 1}}] * 50
    words = Answer(403, {}, json.dumps({"errors": said}).encode()).words
    assert len(words) == 5
    assert words[0].startswith("DENIED: no way xxx")
    assert all(len(word) <= 300 and "\x1b" not in word for word in words)


@pytest.mark.parametrize("data", [b"", b"<html>\xff", b'{"errors": 1}', b'{"errors": [1]}', b"[]", b"[" * 9999])
def test_an_answer_that_is_no_list_of_errors_gives_no_words(data):
    assert Answer(500, {"content-type": "text/html"}, data).words == ()


@pytest.mark.parametrize(
    ("code", "cause", "hint"),
    [(401, Cause.CONFIG, "looked there"), (403, Cause.CONFIG, "looked there"), (404, Cause.CONFIG, "check the name"),
     (413, Cause.CONFIG, "client_max_body_size"), (429, Cause.NETWORK, "wait"), (500, Cause.NETWORK, "wait"),
     (503, Cause.NETWORK, "wait"), (418, Cause.CONFIG, "its own log")],
)  # fmt: skip
def test_each_refusal_has_its_class_and_its_remedy(code, cause, hint):
    error = refusal(Answer(code, {"retry-after": "7"}), "writing it", "looked there")
    assert (error.cause, hint in error.hint) == (cause, True)
    assert isinstance(error, Broken) == (cause == Cause.NETWORK)
    if isinstance(error, Broken):
        assert error.after == 7


@pytest.mark.parametrize("value", ["", "soon", "-1", "Fri, 31 Dec 1999 23:59:59 GMT", "99999999999", "\u0661e9"])
def test_a_time_to_wait_that_is_no_number_of_seconds_is_none(value):
    error = refusal(Answer(429, {"retry-after": value}), "writing it", "")
    assert isinstance(error, Broken)
    assert error.after == 0
