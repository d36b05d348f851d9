"""A built image to a registry: what is there already is not sent, and what would be lost is not replaced."""

from __future__ import annotations

from dataclasses import dataclass, field

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench
from labwright.publish.attest import attach_papers, papers, sign
from labwright.publish.delivered import Delivered, check_visibility
from labwright.publish.kind import KIND_ANNOTATION, Content, Kind
from labwright.publish.labels import Origin, labels
from labwright.registry.client import Registry
from labwright.registry.manifest import Manifest, make_manifest
from labwright.registry.reference import Reference
from labwright.registry.transport import Access
from labwright.trust.keys import load_private_key


@dataclass(frozen=True)
class PublishOptions:
    """access: to the registry. force: replace tags that name something else. tags: further ones.

    mount: other repositories of the registry that may have the blobs. origin: of the image's description.
    key: names a private key to sign with (see spec.secret), empty for none.
    """

    access: Access = field(default_factory=Access)
    force: bool = False
    tags: tuple[str, ...] = ()
    mount: tuple[str, ...] = ()
    origin: Origin = field(default_factory=Origin)
    key: str = ""


@dataclass(frozen=True)
class Published:
    """What a registry has of an image. digest: of the manifest. uploaded, total: bytes of blobs; signed: by our key."""

    kind: str
    reference: str
    digest: str
    uploaded: int
    total: int
    signed: bool = False


def publish(
    delivered: Delivered, reference: Reference, kind: Kind, options: PublishOptions, bench: Workbench
) -> Published:
    """Bring a built image to a registry. The same image twice sends nothing.

    Raises LabwrightError: config for a public image with private files, a tag that names something else, or a registry
    that refuses; network; signature for a certificate that does not hold.
    """
    if reference.digest or not reference.tag:
        raise LabwrightError(
            f"{reference}: what is published gets a tag, its digest follows from its content",
            cause=Cause.CONFIG,
            hint="name it HOST/REPOSITORY:TAG",
        )
    check_visibility(delivered)
    # Before anything is sent: a key that cannot be read is known then.
    key = load_private_key(options.key, "--key", delivered.image.parent) if options.key else None
    said = labels(delivered, options.origin)
    bench.say(f"packing {delivered.slug}: {kind.title}")
    content = kind.pack(delivered, said, bench)
    manifest = _manifest(content, {**said, KIND_ANNOTATION: kind.name})
    found = papers(delivered, reference, manifest.digest, options.origin, content.runtime)
    places = [reference, *(reference.tagged(tag) for tag in options.tags)]
    with Registry(reference.host, options.access, bench.say) as registry:
        missing = [place for place in places if not _is_there(registry, place, manifest, options.force)]
        uploaded = _upload(registry, reference, content, options.mount) if missing else 0
        if missing:
            registry.put(reference.at(manifest.digest), manifest)
        attach_papers(registry, reference.repository, manifest.descriptor, found, delivered)
        if key is not None:
            sign(registry, reference, manifest.digest, found, key)
        # The tags come last: who asks for one gets an image with all that vouches for it.
        for place in missing:
            registry.put(place, manifest)
    total = sum(blob.size for blob in manifest.blobs)
    return Published(kind.name, str(reference), manifest.digest, uploaded, total, key is not None)


def _upload(registry: Registry, reference: Reference, content: Content, mount: tuple[str, ...]) -> int:
    """Bring the blobs there, each content once."""
    blobs = {layer.blob.digest: layer.blob for layer in (*content.layers, content.config)}
    return sum(registry.push_blob(reference.repository, blob, mount) for blob in blobs.values())


def _manifest(content: Content, annotations: dict[str, str]) -> Manifest:
    layers = tuple(layer.descriptor for layer in content.layers)
    return make_manifest(content.config.descriptor, layers, annotations, content.artifact_type)


def _is_there(registry: Registry, place: Reference, manifest: Manifest, force: bool) -> bool:
    """Whether a tag names this image already. Raises LabwrightError (config) where it names another."""
    digest = registry.digest(place)
    if digest in {None, manifest.digest}:
        return digest is not None
    if force:
        return False
    raise LabwrightError(
        f"{place} names another image already",
        cause=Cause.CONFIG,
        details=[f"there: {digest}", f"this: {manifest.digest}"],
        hint="publish it under another tag, or replace that one with --force",
    )
