"""Signatures hold for exactly what was signed, by standard tools as by ours, and hostile ones are findings."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import LabwrightError
from labwright.trust.checksums import SIGNATURE, SUMS, check_checksums, checksums, write_checksums
from labwright.trust.keys import PublicKey, SigningKey, load_private_key, load_public_key
from labwright.trust.signatures import (
    check_envelope,
    check_manifest,
    manifest_payload,
    pae,
    sign_manifest,
    sign_statement,
    signature_tag,
)

KEY = SigningKey(ec.generate_private_key(ec.SECP256R1()))
OTHER = SigningKey(ec.generate_private_key(ec.SECP256R1()))
DIGEST = "sha256:" + "97fc222cee7991b5b061d4d4afdb5f3428fcb0c9054e1690313786befa1e4e36"
REFERENCE = "registry.example.org/lab/leaf"
SIGNED = sign_manifest(KEY, REFERENCE, DIGEST)
STATEMENT = {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "Zwölf"}]}
ENVELOPE = json.dumps(sign_statement(STATEMENT, KEY)).encode()
VECTOR_KEY = PublicKey(
    ec.EllipticCurvePublicNumbers(
        46950820868899156662930047687818585632848591499744589407958293238635476079160,
        5640078356564379163099075877009565129882514886557779369047442380624545832820,
        ec.SECP256R1(),
    ).public_key()
)
"""Of the example in DSSE's protocol.md, Test Vectors."""
VECTOR_SIGNATURE = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="


def openssl(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, check=False, timeout=20)


def openssl_takes(folder: Path, data: bytes, signature: bytes, key: SigningKey = KEY) -> bool:
    for name, content in (("data", data), ("data.sig", signature), ("key.pub", key.public.pem)):
        (folder / name).write_bytes(content)
    words = ("-verify", folder / "key.pub", "-signature", folder / "data.sig", folder / "data")
    return openssl("dgst", "-sha256", *words).returncode == 0


def altered(data: bytes, at: int, change: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]


ALTERATION = st.tuples(st.integers(0, 1 << 16), st.integers(1, 255))


def test_openssl_takes_the_signature_of_a_manifest_and_of_a_statement(tmp_path):
    assert openssl_takes(tmp_path, SIGNED.payload, base64.b64decode(SIGNED.signature))
    envelope = json.loads(ENVELOPE)
    signed = pae(envelope["payloadType"], base64.b64decode(envelope["payload"]))
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    assert openssl_takes(tmp_path, signed, signature)
    assert not openssl_takes(tmp_path, signed + b" ", signature), "the check of this test can fail"


def test_the_payload_is_what_cosign_writes():
    assert SIGNED.payload.decode() == (
        '{"critical":{"identity":{"docker-reference":"registry.example.org/lab/leaf"},"image":{"docker-manifest-digest":'
        f'"{DIGEST}"}},"type":"cosign container image signature"}},"optional":null}}'
    )
    tag = "sha256-97fc222cee7991b5b061d4d4afdb5f3428fcb0c9054e1690313786befa1e4e36.sig"
    assert signature_tag(DIGEST) == tag, "the example of cosign's specification"


def test_a_payload_in_the_spelling_of_cosign_s_specification_is_taken():
    payload = SIGNED.payload.replace(b"docker-manifest-digest", b"Docker-manifest-digest")
    assert check_manifest(payload, base64.b64encode(KEY.sign(payload)).decode(), DIGEST, KEY.public) == ()


def test_the_vectors_of_dsse_hold():
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    raw = base64.b64decode(VECTOR_SIGNATURE)
    # The example joins r and s; what is exchanged here, as by cosign, is ASN.1.
    signature = utils.encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    assert VECTOR_KEY.holds(signature, pae("http://example.com/HelloWorld", b"hello world"))
    assert not VECTOR_KEY.holds(signature, pae("http://example.com/HelloWorld", b"hello worle"))


def test_lengths_are_of_bytes_and_an_empty_body_has_one():
    assert pae("ä", b"") == b"DSSEv1 2 \xc3\xa4 0 "


def test_what_was_signed_is_read_back():
    assert check_manifest(SIGNED.payload, SIGNED.signature, DIGEST, KEY.public) == ()
    assert check_envelope(ENVELOPE, KEY.public).statement == STATEMENT


def test_url_safe_base64_in_an_envelope_is_taken():
    envelope = json.loads(ENVELOPE)
    for place, name in ((envelope, "payload"), (envelope["signatures"][0], "sig")):
        place[name] = place[name].replace("+", "-").replace("/", "_")
    assert check_envelope(json.dumps(envelope), KEY.public).findings == ()


def test_another_key_or_another_manifest_is_a_finding():
    assert "not of this key" in check_manifest(SIGNED.payload, SIGNED.signature, DIGEST, OTHER.public)[0]
    other = "sha256:" + "0" * 64
    assert check_manifest(SIGNED.payload, SIGNED.signature, other, KEY.public) == (
        "the signature is of another manifest",
    )
    assert "of this key" in check_envelope(ENVELOPE, OTHER.public).findings[0]


def test_a_signature_over_something_else_is_not_one_of_an_image():
    for payload in (b"{}", b"[]", b"no", b'{"critical":{"type":"x"}}', b'{"critical":' * 5000):
        signature = base64.b64encode(KEY.sign(payload)).decode()
        assert check_manifest(payload, signature, DIGEST, KEY.public)


def test_a_payload_that_names_two_manifests_is_a_finding():
    more = b'"docker-manifest-digest":"sha256:' + b"0" * 64 + b'","docker-manifest-digest"'
    payload = SIGNED.payload.replace(b'"docker-manifest-digest"', more)
    signature = base64.b64encode(KEY.sign(payload)).decode()
    assert check_manifest(payload, signature, DIGEST, KEY.public) == (
        "the payload cannot be read: a key is there twice",
    )


def test_a_statement_of_another_kind_is_not_taken_for_one():
    found = check_envelope(json.dumps(sign_statement(STATEMENT, KEY, "application/vnd.other+json")), KEY.public)
    assert found.statement is None
    assert found.findings == ("the envelope holds something else than a statement",)


@given(ALTERATION)
def test_each_altered_byte_of_a_payload_is_found(alteration):
    assert check_manifest(altered(SIGNED.payload, *alteration), SIGNED.signature, DIGEST, KEY.public)


@given(ALTERATION)
def test_each_altered_byte_of_a_signature_is_found(alteration):
    text = altered(SIGNED.signature.encode(), *alteration).decode("latin-1")
    assert check_manifest(SIGNED.payload, text, DIGEST, KEY.public)


@given(ALTERATION)
def test_an_altered_envelope_gives_the_statement_that_was_signed_or_none(alteration):
    """The identifier of the key and the blanks around JSON are signed by nobody."""
    assert check_envelope(altered(ENVELOPE, *alteration), KEY.public).statement in (None, STATEMENT)


@given(st.binary(max_size=200), st.text(max_size=200))
def test_no_bytes_bring_a_traceback(data, text):
    assert check_manifest(data, text, DIGEST, KEY.public)
    assert check_envelope(data, KEY.public).findings
    assert check_envelope(text, KEY.public).findings


FIELDS = st.sampled_from(["payload", "payloadType", "signatures", "sig"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(FIELDS, one),
)


@given(VALUES)
def test_no_json_brings_a_traceback(value):
    assert check_envelope(json.dumps(value), KEY.public).findings


def test_a_digest_of_another_form_is_not_signed():
    with pytest.raises(ValueError, match="not the digest of a manifest"):
        manifest_payload(REFERENCE, "latest")


# Keys.


def keyfile(place: Path, *words: str, mode: int = 0o600) -> str:
    done = openssl(*words, "-out", place)
    assert done.returncode == 0, done.stderr
    place.chmod(mode)
    return f"file:{place}"


PKCS8 = ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


@pytest.mark.parametrize(
    "words",
    [PKCS8, ("ecparam", "-name", "prime256v1", "-genkey"), ("ecparam", "-name", "prime256v1", "-genkey", "-noout")],
)
def test_keys_of_openssl_in_pkcs8_and_sec1_sign(tmp_path, words):
    key = load_private_key(keyfile(tmp_path / "key", *words), "--key", tmp_path / "published")
    assert openssl_takes(tmp_path, b"x", key.sign(b"x"), key)
    assert openssl("pkey", "-in", tmp_path / "key", "-pubout", "-out", tmp_path / "pub").returncode == 0
    assert load_public_key(tmp_path / "pub").identifier == key.public.identifier


def test_a_key_in_a_variable_signs(tmp_path, monkeypatch):
    keyfile(tmp_path / "key", *PKCS8)
    monkeypatch.setenv("LABWRIGHT_TEST_KEY", (tmp_path / "key").read_text())
    key = load_private_key("env:LABWRIGHT_TEST_KEY", "--key", tmp_path / "published")
    assert key.public.holds(key.sign(b"x"), b"x")


@pytest.mark.parametrize(
    ("words", "said", "remedy"),
    [
        (("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"), "on the curve secp384r1", "P-256"),
        (("genpkey", "-algorithm", "ED25519"), "of the kind Ed25519", "P-256"),
        ((*PKCS8, "-aes256", "-pass", "pass:hunter2"), "the key is encrypted", "openssl pkey"),
        (("ecparam", "-name", "prime256v1"), "there is no private key in PEM", "openssl genpkey"),
    ],
)
def test_a_key_that_cannot_sign_is_an_error_with_a_remedy(tmp_path, words, said, remedy):
    with pytest.raises(LabwrightError, match=said) as caught:
        load_private_key(keyfile(tmp_path / "key", *words), "--key", tmp_path / "published")
    assert remedy in caught.value.hint


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
def test_a_key_that_others_may_use_is_refused(tmp_path, mode):
    with pytest.raises(LabwrightError, match="others than its owner may use the key") as caught:
        load_private_key(keyfile(tmp_path / "key", *PKCS8, mode=mode), "--key", tmp_path / "published")
    assert caught.value.hint.startswith(f"chmod 600 {tmp_path / 'key'}")


def test_a_key_in_what_is_published_is_refused(tmp_path):
    with pytest.raises(LabwrightError, match="which is published"):
        load_private_key(keyfile(tmp_path / "key", *PKCS8), "--key", tmp_path)


@pytest.mark.parametrize(
    "text", ["-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n", "hunter2", ""]
)
def test_an_error_about_a_key_repeats_nothing_of_it(tmp_path, monkeypatch, text):
    monkeypatch.setenv("LABWRIGHT_TEST_KEY", text)
    for reference in ("env:LABWRIGHT_TEST_KEY", "hunter2"):
        with pytest.raises(LabwrightError) as caught:
            load_private_key(reference, "--key", tmp_path)
        said = f"{caught.value.what} {caught.value.hint} {caught.value.details}"
        assert "hunter2" not in said
        assert "aHVudGVyMg" not in said
    assert "key=" not in repr(KEY)


def test_a_private_key_is_no_public_one(tmp_path):
    private = KEY.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "pub").write_bytes(private)
    with pytest.raises(LabwrightError, match="no public key in PEM"):
        load_public_key(tmp_path / "pub")


# SHA256SUMS.


@pytest.fixture
def delivered(tmp_path: Path) -> Path:
    folder = tmp_path / "leaf"
    (folder / "leaf-kernel").mkdir(parents=True)
    for name in ("leaf.qcow2", "leaf.json", "leaf-kernel/bzImage", "with a blank"):
        (folder / name).write_bytes(name.encode())
    (folder / ".unfinished.partial").write_bytes(b"x")
    write_checksums(folder, KEY)
    return folder


def test_sha256sum_and_openssl_take_what_is_written(delivered, tmp_path):
    done = subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=delivered, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"leaf-kernel/bzImage: OK" in done.stdout
    assert b"partial" not in done.stdout
    assert openssl_takes(tmp_path, (delivered / SUMS).read_bytes(), (delivered / SIGNATURE).read_bytes())
    assert check_checksums(delivered, KEY.public) == ()


@given(ALTERATION, st.sampled_from(["leaf.qcow2", "leaf-kernel/bzImage", SUMS, SIGNATURE]))
def test_each_altered_byte_of_a_delivered_folder_is_found(tmp_path_factory, alteration, name):
    folder = tmp_path_factory.mktemp("leaf")
    (folder / "leaf-kernel").mkdir()
    for one in ("leaf.qcow2", "leaf-kernel/bzImage"):
        (folder / one).write_bytes(one.encode())
    write_checksums(folder, KEY)
    (folder / name).write_bytes(altered((folder / name).read_bytes(), *alteration))
    assert check_checksums(folder, KEY.public)


def test_what_is_missing_or_was_added_is_found(delivered):
    (delivered / "leaf.json").unlink()
    (delivered / "added").write_bytes(b"x")
    assert check_checksums(delivered, KEY.public) == ("leaf.json is not there", "added is not listed")


def test_a_list_that_leads_out_of_the_folder_is_not_followed(delivered, tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    for name in ("../secret", str(tmp_path / "secret"), "./leaf.json", "leaf-kernel//bzImage"):
        text = f"{'0' * 64}  {name}\n"
        (delivered / SUMS).write_text(text)
        (delivered / SIGNATURE).write_bytes(KEY.sign(text.encode()))
        assert "line 1 is not a hash and the name of a file in the folder" in check_checksums(delivered, KEY.public)[0]


def test_links_and_pipes_are_findings_and_nobody_waits(delivered, tmp_path):
    import os

    (delivered / SIGNATURE).unlink()
    os.mkfifo(delivered / SIGNATURE)
    assert check_checksums(delivered, KEY.public)
    (delivered / "link").symlink_to("/etc/passwd")
    with pytest.raises(LabwrightError, match="link is not a file"):
        checksums(delivered)
    assert check_checksums(tmp_path / "no such folder", None) == (f"{SUMS} cannot be read: No such file or directory",)


def test_without_a_key_an_old_signature_does_not_stay(delivered):
    write_checksums(delivered, None)
    assert not (delivered / SIGNATURE).exists()
    assert check_checksums(delivered, None) == ()


@given(st.binary(max_size=300))
def test_no_list_brings_a_traceback(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("sums")
    (folder / SUMS).write_bytes(data)
    (folder / "x").write_bytes(b"x")
    assert check_checksums(folder, None)
