"""What is said of an image in a registry: its signature and statements where cosign looks, its papers as referrers.

Layout of cosign: specs/SIGNATURE_SPEC.md and specs/ATTESTATION_SPEC.md of sigstore/cosign.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from labwright.host.text import plain
from labwright.publish.container import empty_image
from labwright.publish.delivered import Delivered
from labwright.publish.kind import Layer
from labwright.publish.labels import OCI, OURS, Origin, created
from labwright.registry.blob import Blob
from labwright.registry.client import Registry
from labwright.registry.failures import Refused
from labwright.registry.manifest import (
    DIGEST,
    EMPTY,
    EMPTY_TYPE,
    LARGEST,
    Descriptor,
    Manifest,
    make_manifest,
)
from labwright.registry.reference import Reference
from labwright.trust.keys import PublicKey, SigningKey
from labwright.trust.provenance import PREDICATE, STATEMENT, Invocation, provenance
from labwright.trust.runtime import Runtime
from labwright.trust.sbom import bill_of_materials
from labwright.trust.signatures import (
    DSSE,
    IN_TOTO,
    SIGNATURE_ANNOTATION,
    SIMPLE_SIGNING,
    check_envelope,
    check_manifest,
    sign_manifest,
    sign_statement,
    signature_tag,
)

CYCLONEDX = "application/vnd.cyclonedx+json"
BILL_PREDICATE = "https://cyclonedx.org/bom"
UNTAKEN = (400, 404, 405, 415)
"""What registries answer that have a list of the types that they take (GitLab, Quay), or know no referrers."""
MOST = 64
"""Signatures and statements of one image that are looked at."""


@dataclass(frozen=True)
class Papers:
    """Of an image: its bill of materials, and the statement of where it comes from."""

    bill: Mapping[str, Any]
    provenance: Mapping[str, Any]


def papers(
    delivered: Delivered, reference: Reference, digest: str, origin: Origin, runtime: Runtime | None = None
) -> Papers:
    """The papers of a built image that is published as this manifest, which they name beside its disks."""
    bill = bill_of_materials(delivered.facts, runtime)
    made = provenance(delivered.facts, Invocation(revision=origin.revision), runtime)
    return Papers(bill, made | {"subject": [_subject(reference, digest), *made["subject"]]})


def attach_papers(
    registry: Registry, repository: str, image: Descriptor, found: Papers, delivered: Delivered
) -> tuple[str, ...]:
    """Put the papers beside an image, as they are; who signs them is said elsewhere. The same twice is one.

    image: its manifest. Returns warnings: of a registry that takes no papers of this kind. Raises LabwrightError as the
    registry does.
    """
    warnings: list[str] = []
    when = {f"{OCI}.created": created(delivered)}
    config = Layer(Blob.of(EMPTY), EMPTY_TYPE)
    for media_type, facts in ((CYCLONEDX, found.bill), (IN_TOTO, found.provenance)):
        layer = Layer(Blob.of(_compact(facts)), media_type)
        _push(registry, repository, (config, layer))
        paper = make_manifest(config.descriptor, (layer.descriptor,), when, media_type, subject=image)
        try:
            registry.attach(repository, paper)
        except Refused as error:
            # The image is worth more than what is beside it, which a key puts under .att once more.
            if error.code not in UNTAKEN:
                raise
            warnings.append(f"{error.what}: {media_type} is not beside the image, {'; '.join(error.details)}")
    return tuple(one.removesuffix(", ") for one in warnings)


def sign(registry: Registry, reference: Reference, digest: str, found: Papers, key: SigningKey) -> None:
    """Sign a manifest and its papers, unless this key has. What others have signed stays beside it."""
    repository = reference.repository
    if signed_by(registry, repository, digest, key.public):
        signature = sign_manifest(key, f"{reference.host}/{repository}", digest)
        layer = Layer(Blob.of(signature.payload), SIMPLE_SIGNING, {SIGNATURE_ANNOTATION: signature.signature})
        _append(registry, reference.tagged(signature_tag(digest)), (layer,))
    if not stated_by(registry, repository, digest, key.public):
        return
    bill = {"_type": STATEMENT, "subject": [_subject(reference, digest)], "predicateType": BILL_PREDICATE,
            "predicate": found.bill}  # fmt: skip
    envelopes = [
        Layer(Blob.of(_compact(sign_statement(statement, key))), DSSE,
              {SIGNATURE_ANNOTATION: "", "predicateType": str(statement["predicateType"])})
        for statement in (bill, found.provenance)
    ]  # fmt: skip
    _append(registry, reference.tagged(statements_tag(digest)), envelopes)


def statements_tag(digest: str) -> str:
    """The tag under which a registry has statements about a manifest."""
    return f"{digest.replace(':', '-')}.att"


def signed_by(registry: Registry, repository: str, digest: str, key: PublicKey) -> tuple[str, ...]:
    """Why a key has not signed a manifest; nothing where it has."""
    findings: list[str] = []
    for layer in _layers(registry, repository, signature_tag(digest), SIMPLE_SIGNING):
        payload = _payload(registry, repository, layer)
        if payload is None:
            findings.append("the registry has lost the payload of a signature")
            continue
        found = check_manifest(payload, layer.annotations.get(SIGNATURE_ANNOTATION, ""), digest, key)
        if not found:
            return ()
        findings += found
    return tuple(dict.fromkeys(findings)) or ("it is not signed",)


def other_name(repository: str, manifest: Manifest) -> str:
    """A warning where a repository is called otherwise than the image in it; empty where both are the same.

    A signature holds wherever its image is: one that was put under the name of another is signed as well.
    """
    called, image = repository.rpartition("/")[2], manifest.annotations.get(f"{OURS}.image", "")
    if called == image:
        return ""
    return f"the repository is called {called}, the signed image in it {plain(image)[:100]!r}: is it the one you want?"


def stated_by(registry: Registry, repository: str, digest: str, key: PublicKey) -> tuple[str, ...]:
    """Why there is no bill of materials and provenance of this manifest by a key; nothing where there is."""
    lacking = {BILL_PREDICATE: "bill of materials", PREDICATE: "provenance"}
    findings: list[str] = []
    for layer in _layers(registry, repository, statements_tag(digest), DSSE):
        envelope = _payload(registry, repository, layer)
        if envelope is None:
            findings.append("the registry has lost a statement")
            continue
        checked = check_envelope(envelope, key)
        if checked.statement is None:
            findings += checked.findings
        elif not _is_about(checked.statement, digest):
            findings.append("a statement is about another image")
        else:
            lacking.pop(str(checked.statement.get("predicateType")), None)
    if not lacking:
        return ()
    return (*(f"no signed {what} of it" for what in lacking.values()), *dict.fromkeys(findings))


def _is_about(statement: Mapping[str, Any], digest: str) -> bool:
    subjects = statement.get("subject")
    digests = [one.get("digest") for one in subjects if isinstance(one, dict)] if isinstance(subjects, list) else []
    return any(isinstance(one, dict) and one.get("sha256") == digest.removeprefix("sha256:") for one in digests)


def _subject(reference: Reference, digest: str) -> dict[str, Any]:
    assert DIGEST.fullmatch(digest)
    return {"name": f"{reference.host}/{reference.repository}", "digest": {"sha256": digest.removeprefix("sha256:")}}


def _layers(registry: Registry, repository: str, tag: str, media_type: str) -> list[Descriptor]:
    manifest = registry.find(Reference(registry.host, repository, tag))
    layers = manifest.layers if manifest else ()
    return [one for one in layers if one.media_type == media_type and one.size <= LARGEST][:MOST]


def _payload(registry: Registry, repository: str, layer: Descriptor) -> bytes | None:
    """What is signed; None where the registry has lost it."""
    try:
        return registry.small_blob(repository, layer)
    except Refused as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return None


def _append(registry: Registry, place: Reference, layers: Iterable[Layer]) -> None:
    """Add to what a tag of cosign's has. A registry takes no manifest whose blobs it has lost: those are left out."""
    new = tuple(layers)
    added = {layer.descriptor.digest for layer in new}
    before = registry.find(place)
    kept = [
        one for one in (before.layers if before else ())
        if one.digest in added or registry.blob_size(place.repository, one.digest) is not None
    ]  # fmt: skip
    all_layers = (*kept, *(layer.descriptor for layer in new))
    config = empty_image(all_layers)
    _push(registry, place.repository, (config, *new))
    registry.put(place, make_manifest(config.descriptor, all_layers, {}))


def _push(registry: Registry, repository: str, layers: Iterable[Layer]) -> None:
    for layer in layers:
        registry.push_blob(repository, layer.blob)


def _compact(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
