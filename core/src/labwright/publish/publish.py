"""A built image to a registry: what is there already is not sent, and what would be lost is not replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench
from labwright.publish.attest import attach_papers, papers, sign
from labwright.publish.container import empty_image
from labwright.publish.delivered import Delivered, check_visibility
from labwright.publish.kind import KIND_ANNOTATION, Content, Kind
from labwright.publish.labels import Origin, labels
from labwright.registry.client import Registry
from labwright.registry.failures import Refused
from labwright.registry.manifest import Manifest, make_manifest
from labwright.registry.reference import Reference
from labwright.registry.transport import Access
from labwright.trust.keys import load_private_key

UNKNOWN_KIND = (400, 415)
"""What registries answer that have a list of the types of artefacts that they take (GitLab, Quay): MANIFEST_INVALID."""


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
    """What a registry has of an image. digest: of the manifest. uploaded, total: bytes of blobs; signed: by our key.

    warnings: what the registry did not take, in words.
    """

    kind: str
    reference: str
    digest: str
    uploaded: int
    total: int
    signed: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Form:
    """One of the forms that an image can have in a registry."""

    content: Content
    manifest: Manifest

    @property
    def digest(self) -> str:
        return self.manifest.digest


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
    forms = _forms(content, {**said, KIND_ANNOTATION: kind.name})
    places = [reference, *(reference.tagged(tag) for tag in options.tags)]
    with Registry(reference.host, options.access, bench.say) as registry:
        digests = {form.digest: form for form in forms}
        named = {place: _named(registry, place, tuple(digests), options.force) for place in places}
        missing = [place for place, digest in named.items() if not digest]
        # What has a name keeps its form, whatever the registry has come to take meanwhile.
        kept = [digests[digest] for digest in named.values() if digest][:1]
        if missing:
            form, uploaded = _bring(registry, reference, kept or forms, options.mount, bench)
        else:
            # A manifest can be there without its blobs: a disk loses them, and rules of retention do.
            form, uploaded = kept[0], _upload(registry, reference, kept[0].content, options.mount)
        found = papers(delivered, reference, form.digest, options.origin, content.runtime)
        warnings = attach_papers(registry, reference.repository, form.manifest.descriptor, found, delivered)
        if key is not None:
            sign(registry, reference, form.digest, found, key)
        # The tags come last: who asks for one gets an image with all that vouches for it.
        for place in missing:
            registry.put(place, form.manifest)
    total = sum(blob.size for blob in form.manifest.blobs)
    return Published(kind.name, str(reference), form.digest, uploaded, total, key is not None, warnings)


def _forms(content: Content, annotations: dict[str, str]) -> tuple[_Form, ...]:
    """As it should be, and what is no container also as one of no platform: some registries take nothing else."""
    contents = [content]
    if content.artifact_type:
        contents.append(Content(content.layers, empty_image(layer.descriptor for layer in content.layers)))
    return tuple(_Form(one, _manifest(one, annotations)) for one in contents)


def _bring(
    registry: Registry, reference: Reference, forms: Sequence[_Form], mount: tuple[str, ...], bench: Workbench
) -> tuple[_Form, int]:
    """Bring the first form there that the registry takes. Returns it, and the bytes that went out."""
    uploaded = 0
    for form in forms:
        uploaded += _upload(registry, reference, form.content, mount)
        try:
            registry.put(reference.at(form.digest), form.manifest)
        except Refused as error:
            if error.code not in UNKNOWN_KIND or form is forms[-1]:
                raise
            bench.say(f"{error.what}: it takes containers alone, so it gets the files as one")
        else:
            return form, uploaded
    raise AssertionError("there is no form")


def _upload(registry: Registry, reference: Reference, content: Content, mount: tuple[str, ...]) -> int:
    """Bring the blobs there, each content once."""
    blobs = {layer.blob.digest: layer.blob for layer in (*content.layers, content.config)}
    return sum(registry.push_blob(reference.repository, blob, mount) for blob in blobs.values())


def _manifest(content: Content, annotations: dict[str, str]) -> Manifest:
    layers = tuple(layer.descriptor for layer in content.layers)
    return make_manifest(content.config.descriptor, layers, annotations, content.artifact_type)


def _named(registry: Registry, place: Reference, ours: tuple[str, ...], force: bool) -> str:
    """Which form of this image a tag names, empty where it is to be put there.

    Raises LabwrightError (config) where it names another image.
    """
    digest = registry.digest(place)
    if digest in ours:
        return digest
    if digest is None or force:
        return ""
    raise LabwrightError(
        f"{place} names another image already",
        cause=Cause.CONFIG,
        details=[f"there: {digest}", f"this: {ours[0]}"],
        hint="publish it under another tag, or replace that one with --force",
    )
