"""Whether a registry still has all that it was given of an image: disks fail, and rules of retention take parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labwright.errors import Cause, LabwrightError
from labwright.host.text import line
from labwright.publish.attest import signed_by, stated_by
from labwright.registry.client import Registry
from labwright.registry.reference import Reference
from labwright.registry.upload import UNKNOWN_SIZE
from labwright.trust.keys import PublicKey


def lacks(
    registry: Registry, names: Sequence[Reference], digest: str, key: PublicKey | None, with_papers: bool
) -> str:  # fmt: skip
    """What is not there of an image, in words; empty where all of it is.

    names: of one repository, which all have to be this image's. key: that has signed it and its statements; None where
    that is not asked. with_papers: whether it has referrers. No blob is read but the few bytes that are signed. Raises
    LabwrightError (network).
    """
    try:
        return _lacks(registry, names, digest, key, with_papers)
    except LabwrightError as error:
        if error.cause is Cause.NETWORK:
            raise
        # What cannot be read is to be sent again, and if it may not be, that is said then.
        return line(error.what)


def _lacks(
    registry: Registry, names: Sequence[Reference], digest: str, key: PublicKey | None, with_papers: bool
) -> str:  # fmt: skip
    for name in names:
        if registry.digest(name) != digest:
            return f"{name} is not there, or another image"
    repository = names[0].repository
    for blob in registry.get(names[0].at(digest)).blobs:
        if registry.blob_size(repository, blob.digest) not in {blob.size, UNKNOWN_SIZE}:
            return f"{blob.digest} is not there"
    if with_papers and not registry.referrers(repository, digest):
        return "its papers are not beside it"
    asked: tuple[Callable[[Registry, str, str, PublicKey], tuple[str, ...]], ...] = (signed_by, stated_by)
    for ask in asked if key is not None else ():
        assert key is not None
        if findings := ask(registry, repository, digest, key):
            return line(findings[0])
    return ""
