"""Whether an image is what was published: in a registry, or in a folder. Each thing that is looked at is one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.text import line
from labwright.publish.attest import other_name, signed_by, stated_by
from labwright.publish.delivered import read_delivered
from labwright.publish.kinds import kind_of
from labwright.registry.client import Registry
from labwright.registry.manifest import Descriptor, Manifest
from labwright.registry.reference import Reference
from labwright.registry.transport import Access
from labwright.registry.upload import UNKNOWN_SIZE
from labwright.trust.checksums import SUMS, check_checksums
from labwright.trust.keys import PublicKey

LONGEST = 2000
"""Characters of what is said of one thing."""
UNSIGNED = "it is not there, so nothing here says who signed; what pull brought has none: verify the reference instead"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,99}")
"""Of a layer or its type, as it may stand beside words of ours."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. holds: whether it is as it should be, None where that is not known.

    said: what was seen.
    """

    subject: str
    holds: bool | None
    said: str

    def __str__(self) -> str:
        """One line for people."""
        state = {True: "ok", False: "NOT OK", None: "-"}[self.holds]
        # The registry has chosen some of the words: with line feeds in them it would write findings of its own.
        return f"{state}: {line(self.subject)}: {line(self.said, LONGEST)}"


def holds(found: Iterable[Finding]) -> bool:
    """Whether all that is known is as it should be."""
    return all(one.holds for one in found if one.holds is not None)


def verify_published(
    reference: Reference, key: PublicKey | None, deep: bool, access: Access, say: Callable[[str], None]
) -> tuple[Finding, ...]:
    """Look at an image in a registry. deep: read every blob to its end, instead of asking for its size.

    Raises LabwrightError (config, network) where it cannot be looked at.
    """
    with Registry(reference.host, access, say) as registry:
        manifest = registry.get(reference)
        kind = kind_of(manifest, str(reference))
        found = [Finding("manifest", True, f"{manifest.digest}, {kind.title}")]
        found += _blobs(registry, reference.repository, manifest, deep)
        found += _vouched(registry, reference.repository, manifest.digest, key)
        if key is not None and (warning := other_name(reference.repository, manifest)):
            found.append(Finding("name", None, warning))
    return tuple(found)


def _blobs(registry: Registry, repository: str, manifest: Manifest, deep: bool) -> Iterator[Finding]:
    for blob in manifest.blobs:
        name = blob.annotations.get("org.opencontainers.image.title", "") or blob.media_type
        subject = name if NAME.fullmatch(name) else repr(line(name)[:100])
        yield Finding(f"{subject} {blob.digest[:19]}", *_blob(registry, repository, blob, deep))


def _blob(registry: Registry, repository: str, blob: Descriptor, deep: bool) -> tuple[bool | None, str]:
    if not deep:
        size = registry.blob_size(repository, blob.digest)
        if size is None:
            return False, "the registry does not have it"
        if size == UNKNOWN_SIZE:
            return None, "the registry does not tell its size; --deep reads it"
        return size == blob.size, f"{size} bytes" + ("" if size == blob.size else f", not {blob.size}")
    try:
        registry.pull_blob(repository, blob, None)
    except LabwrightError as error:
        if error.cause != Cause.SIGNATURE:
            raise
        return False, error.what
    return True, f"{blob.size} bytes, its hash holds"


def _vouched(registry: Registry, repository: str, digest: str, key: PublicKey | None) -> Iterator[Finding]:
    if key is None:
        yield Finding("signature", None, "not asked: no --key")
        return
    asked: tuple[tuple[str, Callable[[Registry, str, str, PublicKey], tuple[str, ...]]], ...]
    asked = (("signature", signed_by), ("bill of materials and provenance", stated_by))
    for subject, ask in asked:
        try:
            findings = ask(registry, repository, digest, key)
        except LabwrightError as error:
            if error.cause == Cause.NETWORK:
                raise
            findings = (error.what,)
        yield Finding(subject, not findings, "; ".join(findings) or "by this key")


def verify_delivered(image: Path, key: PublicKey | None) -> tuple[Finding, ...]:
    """Look at a built image in a folder: its disks against its report, and all files against SHA256SUMS.

    Raises LabwrightError (config) where there is no report of it.
    """
    try:
        delivered = read_delivered(image)
    except LabwrightError as error:
        if error.cause != Cause.SIGNATURE:
            raise
        return (Finding(image.name, False, error.what),)
    found = [Finding(path.name, True, "as its report says") for path in (image, *delivered.disks.values())]
    if not (image.parent / SUMS).exists():
        if key is not None:
            # A key is asked for: without what it has signed, nothing is as it should be.
            found.append(Finding(SUMS, False, UNSIGNED))
    else:
        findings = check_checksums(image.parent, key)
        signed = "the hashes hold" + (", signed by this key" if key else "; not asked who signed: no --key")
        found.append(Finding(SUMS, not findings, "; ".join(findings) or signed))
    return tuple(found)
