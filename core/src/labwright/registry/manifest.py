"""Manifests: what an image in a registry consists of (OCI image specification 1.1). Those from outside are hostile."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labwright.errors import Cause, LabwrightError
from labwright.registry.blob import Blob, digest_of

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_INDEX)
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
"""The config of what is no container (image specification, Guidance for an Empty Descriptor)."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LARGEST = 4 << 20
"""Bytes of a manifest that every registry takes (distribution specification, Pushing Manifests)."""
MOST_LAYERS = 4096
LARGEST_BLOB = 1 << 44


@dataclass(frozen=True)
class Descriptor:
    """A blob or manifest as another one names it. digest: `sha256:` and hexadecimal digits; size: in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        facts: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type:
            facts["artifactType"] = self.artifact_type
        if self.annotations:
            facts["annotations"] = dict(sorted(self.annotations.items()))
        return facts


@dataclass(frozen=True)
class Manifest:
    """One image. data: its exact bytes, which the digest is of. subject: what it says something about."""

    data: bytes = field(repr=False)
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    artifact_type: str = ""
    subject: Descriptor | None = None

    @property
    def digest(self) -> str:
        """Of its bytes."""
        return digest_of(self.data)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The config and the layers, each content once."""
        return tuple({one.digest: one for one in (self.config, *self.layers)}.values())

    @property
    def descriptor(self) -> Descriptor:
        """How another manifest names it."""
        kind = self.artifact_type or (self.config.media_type if self.config.media_type != EMPTY_TYPE else "")
        return Descriptor(self.media_type, self.digest, len(self.data), self.annotations, kind)


def described(blob: Blob, media_type: str, annotations: Mapping[str, str] | None = None) -> Descriptor:
    """How a manifest names a blob."""
    return Descriptor(media_type, blob.digest, blob.size, annotations or {})


def make_manifest(
    config: Descriptor,
    layers: tuple[Descriptor, ...],
    annotations: Mapping[str, str],
    artifact_type: str = "",
    subject: Descriptor | None = None,
) -> Manifest:
    """A manifest of these; the same values give the same bytes."""
    facts: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.as_json(),
        "layers": [layer.as_json() for layer in layers],
    }
    if artifact_type:
        facts["artifactType"] = artifact_type
    if subject is not None:
        facts["subject"] = {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size}
    if annotations:
        facts["annotations"] = dict(annotations)
    data = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    return Manifest(data, OCI_MANIFEST, config, layers, dict(annotations), artifact_type, subject)


def read_manifest(data: bytes, source: str) -> Manifest:
    """A manifest from a registry. source: its name, for errors. Raises LabwrightError (config)."""
    facts = _parsed(data, source)
    media_type = facts.get("mediaType", OCI_MANIFEST)
    if media_type in INDEXES or "manifests" in facts:
        raise refused(source, "it is an index of several images", "name one of them by its digest")
    if facts.get("schemaVersion") != 2 or media_type not in MANIFESTS:
        raise refused(source, "it is no manifest of the OCI or Docker (schema 2)")
    layers = facts.get("layers")
    if not isinstance(layers, list) or len(layers) > MOST_LAYERS:
        raise refused(source, f"its layers are no list of at most {MOST_LAYERS}")
    subject, kind = facts.get("subject"), facts.get("artifactType", "")
    return Manifest(
        data,
        media_type,
        read_descriptor(facts.get("config"), source),
        tuple(read_descriptor(layer, source) for layer in layers),
        _annotations(facts, source),
        kind if isinstance(kind, str) else "",
        read_descriptor(subject, source) if subject is not None else None,
    )


def read_index(data: bytes, source: str) -> tuple[Descriptor, ...]:
    """What an index lists. Raises LabwrightError (config)."""
    listed = _parsed(data, source).get("manifests")
    if not isinstance(listed, list) or len(listed) > MOST_LAYERS:
        raise refused(source, f"its manifests are no list of at most {MOST_LAYERS}")
    return tuple(read_descriptor(one, source) for one in listed)


def make_index(manifests: tuple[Descriptor, ...]) -> bytes:
    """The bytes of an index of these, in the order of their digests."""
    ordered = sorted(manifests, key=lambda one: one.digest)
    facts = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [one.as_json() for one in ordered]}
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


def read_descriptor(facts: object, source: str) -> Descriptor:
    """A descriptor from outside. Raises LabwrightError (config)."""
    if not isinstance(facts, dict):
        raise refused(source, "a descriptor in it is no object")
    media_type, digest, size = facts.get("mediaType"), facts.get("digest"), facts.get("size")
    if not isinstance(media_type, str) or not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise refused(source, "a descriptor in it lacks a media type or a digest by sha256")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= LARGEST_BLOB:
        raise refused(source, f"the size of {digest} in it is no number of bytes")
    kind = facts.get("artifactType", "")
    return Descriptor(media_type, digest, size, _annotations(facts, source), kind if isinstance(kind, str) else "")


def _annotations(facts: Mapping[str, Any], source: str) -> dict[str, str]:
    found = facts.get("annotations") or {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise refused(source, "its annotations are no words")
    return found


def _parsed(data: bytes, source: str) -> dict[str, Any]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise refused(source, "it is no JSON") from error
    if not isinstance(facts, dict):
        raise refused(source, "it is no JSON object")
    return facts


def refused(source: str, why: str, remedy: str = "publish it again") -> LabwrightError:
    """The error for a manifest that is not taken."""
    return LabwrightError(f"the manifest of {source} is refused: {why}", cause=Cause.CONFIG, hint=remedy)
