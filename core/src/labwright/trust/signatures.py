"""Signatures of manifests in a registry (cosign's simple signing) and of statements (DSSE envelopes).

What checks them takes anything from outside and answers with findings; none at all means that it holds.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labwright.trust.hostile import STANDARD, URL_SAFE, Unreadable, decode, parse_object
from labwright.trust.keys import PublicKey, SigningKey

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
"""The media type of a payload (cosign, specs/SIGNATURE_SPEC.md, Simple Signing)."""
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
"""On the payload's descriptor: its signature (the same, Storage)."""
COSIGN_TYPE = "cosign container image signature"
DSSE = "application/vnd.dsse.envelope.v1+json"
IN_TOTO = "application/vnd.in-toto+json"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
DIGEST_KEYS = ("docker-manifest-digest", "Docker-manifest-digest")
"""As cosign writes it, and as its specification shows it."""
MOST_SIGNATURES = 16


@dataclass(frozen=True)
class ManifestSignature:
    """payload: the bytes that are signed and stored. signature: of them, in base64."""

    payload: bytes
    signature: str


@dataclass(frozen=True)
class Checked:
    """What an envelope holds. statement: None unless a signature of it holds. findings: why it does not."""

    statement: dict[str, Any] | None
    findings: tuple[str, ...] = ()


def signature_tag(digest: str) -> str:
    """The tag under which a registry has the signature of a manifest (cosign, Tag-based Discovery)."""
    return f"{digest.replace(':', '-')}.sig"


def manifest_payload(reference: str, digest: str) -> bytes:
    """What is signed for a manifest, byte for byte as cosign writes it.

    reference: the repository with its registry. digest: of the manifest, sha256:HEX; ValueError for another form.
    """
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is not the digest of a manifest")
    payload = {
        "critical": {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": digest},
            "type": COSIGN_TYPE,
        },
        "optional": None,
    }
    return _compact(payload)


def sign_manifest(key: SigningKey, reference: str, digest: str) -> ManifestSignature:
    """The payload for a manifest and its signature."""
    payload = manifest_payload(reference, digest)
    return ManifestSignature(payload, base64.b64encode(key.sign(payload)).decode())


def check_manifest(payload: bytes, signature: str, digest: str, key: PublicKey) -> tuple[str, ...]:
    """Why this is not our signature of that manifest; nothing where it is."""
    try:
        if not key.holds(decode(signature), payload):
            return ("the signature is not of this key, or the payload was altered",)
    except Unreadable as error:
        return (f"the signature cannot be read: {error}",)
    try:
        critical = parse_object(payload).get("critical")
    except Unreadable as error:
        return (f"the payload cannot be read: {error}",)
    if not isinstance(critical, dict) or critical.get("type") != COSIGN_TYPE:
        return ("the payload is not a signature of an image",)
    image = critical.get("image")
    named = [image[name] for name in DIGEST_KEYS if name in image] if isinstance(image, dict) else []
    return () if named == [digest] else ("the signature is of another manifest",)


def pae(payload_type: str, body: bytes) -> bytes:
    """The bytes that are signed (DSSE, protocol.md: PAE)."""
    kind = payload_type.encode("utf-8", "surrogatepass")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def sign_statement(statement: Mapping[str, Any], key: SigningKey, payload_type: str = IN_TOTO) -> dict[str, Any]:
    """A statement in a DSSE envelope."""
    body = _compact(statement)
    return {
        "payload": base64.b64encode(body).decode(),
        "payloadType": payload_type,
        "signatures": [
            {"keyid": key.public.identifier, "sig": base64.b64encode(key.sign(pae(payload_type, body))).decode()}
        ],
    }


def check_envelope(envelope: bytes | str, key: PublicKey, payload_type: str = IN_TOTO) -> Checked:
    """The statement in an envelope that this key has signed; the identifier of a key is a hint, and not believed."""
    try:
        found = parse_object(envelope)
        body = decode(found.get("payload"), (STANDARD, URL_SAFE))
        kind, signatures = found.get("payloadType"), found.get("signatures")
        if not isinstance(kind, str) or not isinstance(signatures, list):
            raise Unreadable("it has no payloadType or no signatures")
    except Unreadable as error:
        return Checked(None, (f"the envelope cannot be read: {error}",))
    signed = pae(kind, body)
    if not any(_holds(one, signed, key) for one in signatures[:MOST_SIGNATURES]):
        return Checked(None, ("no signature in the envelope is of this key, or the statement was altered",))
    if kind != payload_type:
        return Checked(None, ("the envelope holds something else than a statement",))
    try:
        return Checked(parse_object(body))
    except Unreadable as error:
        return Checked(None, (f"the statement cannot be read: {error}",))


def _holds(one: object, signed: bytes, key: PublicKey) -> bool:
    try:
        return isinstance(one, dict) and key.holds(decode(one.get("sig"), (STANDARD, URL_SAFE)), signed)
    except Unreadable:
        return False


def _compact(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, separators=(",", ":"), sort_keys=True).encode()
