"""A registry as the rest of labwright sees it (OCI distribution specification 1.1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from labwright.errors import Cause, LabwrightError
from labwright.registry.attempts import Result, tried
from labwright.registry.blob import Blob, digest_of
from labwright.registry.download import download, pull_scope
from labwright.registry.failures import Answer
from labwright.registry.manifest import (
    INDEXES,
    LARGEST,
    MANIFESTS,
    OCI_INDEX,
    Descriptor,
    Manifest,
    make_index,
    read_index,
    read_manifest,
    refused,
)
from labwright.registry.reference import TAG, Reference
from labwright.registry.transport import Access, Transport
from labwright.registry.upload import blob_size, push_scope, upload

MOST_TAGS = 10_000
NO_LIST = (400, 404, 405, 501)
"""What registries answer that know no list of referrers."""


class Registry:
    """One registry. A context: at its end its connections are closed. say: hears of progress."""

    def __init__(self, host: str, access: Access, say: Callable[[str], None] = lambda _: None) -> None:
        self.host = host
        self._say = say
        self._transport = Transport(host, access)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._transport.close()

    def push_blob(self, repository: str, blob: Blob, mount: tuple[str, ...] = ()) -> int:
        """See upload()."""
        return upload(self._transport, repository, blob, mount, self._say)

    def blob_size(self, repository: str, digest: str) -> int | None:
        """Bytes of a blob that the registry has, UNKNOWN_SIZE where it does not say, None where it has none of this
        digest."""
        scopes = (pull_scope(repository),)
        return self._tried(lambda: blob_size(self._transport, repository, digest, scopes))

    def pull_blob(self, repository: str, wanted: Descriptor, place: Path | None) -> None:
        """See download()."""
        download(self._transport, repository, wanted, place, self._say)

    def small_blob(self, repository: str, wanted: Descriptor, largest: int = LARGEST) -> bytes:
        """A blob of a few bytes. Raises LabwrightError as download() does."""
        if wanted.size > largest:
            raise refused(f"{self.host}/{repository}", f"{wanted.digest} has more than {largest} bytes")
        doing = f"{self.host}/{repository}: downloading {wanted.digest[:19]}"
        answer = self._tried(
            lambda: self._transport.ask("GET", f"/v2/{repository}/blobs/{wanted.digest}", doing,
                                        (pull_scope(repository),), largest=largest)
        )  # fmt: skip
        if digest_of(answer.data) != wanted.digest:
            raise _other(f"{self.host}/{repository}@{wanted.digest}")
        return answer.data

    def find(self, reference: Reference) -> Manifest | None:
        """The image of this name, or None. Raises LabwrightError (config) for what is no image, signature for another
        than the digest names, network."""
        answer = self._get(reference, MANIFESTS + INDEXES)
        return None if answer is None else read_manifest(answer.data, str(reference))

    def digest(self, reference: Reference) -> str | None:
        """The digest of what has this name, an image or not, None where nothing has. Raises LabwrightError."""
        answer = self._get(reference, MANIFESTS + INDEXES)
        return None if answer is None else digest_of(answer.data)

    def get(self, reference: Reference) -> Manifest:
        """The image of this name. Raises LabwrightError as find() does, and (config) where there is none."""
        found = self.find(reference)
        if found is None:
            raise LabwrightError(
                f"{reference} is not in the registry",
                cause=Cause.CONFIG,
                hint="check the name and the tag; a registry may also hide what one may not see: log in",
            )
        return found

    def put(self, reference: Reference, manifest: Manifest) -> Answer:
        """Give an image its name. Its blobs are to be there. Raises LabwrightError."""
        return self._put(reference, manifest.data, manifest.media_type)

    def tags(self, repository: str) -> tuple[str, ...]:
        """All tags of a repository, sorted; none where there is no such repository."""
        found: set[str] = set()
        last = ""
        while len(found) <= MOST_TAGS:
            path = f"/v2/{repository}/tags/list?n=1000" + (f"&last={last}" if last else "")
            answer = self._tried(lambda path=path: self._transport.ask(  # type: ignore[misc]
                "GET", path, f"{self.host}/{repository}: listing tags", (pull_scope(repository),), (200, 404),
                largest=LARGEST))  # fmt: skip
            names = _names(answer) - found
            found |= names
            if "link" not in answer.headers or not names:
                return tuple(sorted(found))
            last = max(names)
        raise refused(f"{self.host}/{repository}", f"it has more than {MOST_TAGS} tags")

    def attach(self, repository: str, manifest: Manifest) -> None:
        """Put a manifest that has a subject, findable by that: by the registry, or by an index under a tag where it
        has no such list (distribution specification, Referrers Tag Schema). Raises LabwrightError."""
        if manifest.subject is None:
            raise ValueError("it has no subject")
        place = Reference(self.host, repository, digest=manifest.digest)
        if "oci-subject" in self.put(place, manifest).headers:
            return
        tag = self._fallback(repository, manifest.subject.digest)
        answer = self._get(tag, (OCI_INDEX,))
        listed = read_index(answer.data, str(tag)) if answer else ()
        if manifest.digest not in {one.digest for one in listed}:
            self._put(tag, make_index((*listed, manifest.descriptor)), OCI_INDEX)

    def referrers(self, repository: str, digest: str) -> tuple[Descriptor, ...]:
        """What says something about an image."""
        path, doing = f"/v2/{repository}/referrers/{digest}", f"{self.host}/{repository}: listing referrers"
        answer: Answer | None = self._tried(
            lambda: self._transport.ask("GET", path, doing, (pull_scope(repository),), (200, *NO_LIST), largest=LARGEST)
        )
        if answer is None or answer.code in NO_LIST:
            answer = self._get(self._fallback(repository, digest), (OCI_INDEX,))
        return read_index(answer.data, f"{self.host}/{repository}") if answer else ()

    def _fallback(self, repository: str, digest: str) -> Reference:
        return Reference(self.host, repository, tag=digest.replace(":", "-"))

    def _get(self, reference: Reference, types: tuple[str, ...]) -> Answer | None:
        path, doing = f"/v2/{reference.repository}/manifests/{reference.wanted}", f"reading {reference}"
        scopes = (pull_scope(reference.repository),)
        answer = self._tried(
            lambda: self._transport.ask(
                "GET", path, doing, scopes, (200, 404), {"Accept": ", ".join(types)}, largest=LARGEST
            )
        )
        if answer.code == 404:
            return None
        if reference.digest and digest_of(answer.data) != reference.digest:
            raise _other(str(reference))
        return answer

    def _put(self, reference: Reference, data: bytes, media_type: str) -> Answer:
        if len(data) > LARGEST:
            raise refused(str(reference), f"it has more than {LARGEST} bytes", "publish fewer files")
        path, doing = f"/v2/{reference.repository}/manifests/{reference.wanted}", f"writing {reference}"
        scopes = (push_scope(reference.repository),)
        answer = self._tried(
            lambda: self._transport.ask(
                "PUT", path, doing, scopes, (201, 202, 200), {"Content-Type": media_type}, lambda: data
            )
        )
        said = answer.headers.get("docker-content-digest", "")
        if said and said != digest_of(data):
            raise _other(str(replace(reference, digest="")))
        return answer

    def _tried(self, work: Callable[[], Result]) -> Result:
        return tried(work, self._transport.patience, self._say)


def _names(answer: Answer) -> set[str]:
    try:
        listed = json.loads(answer.data)["tags"] or [] if answer.code == 200 else []
        return {name for name in listed if isinstance(name, str) and TAG.fullmatch(name)}
    except (ValueError, KeyError, TypeError, RecursionError):
        return set()


def _other(source: str) -> LabwrightError:
    return LabwrightError(
        f"{source}: the registry has other content under this digest",
        cause=Cause.SIGNATURE,
        hint="its storage is damaged, or somebody changed it: publish the image again",
    )
