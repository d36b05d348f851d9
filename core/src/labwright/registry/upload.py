"""A blob to a registry, in chunks; what has arrived is not sent again (distribution specification, Pushing a blob).

A registry of Docker's distribution 2 (Debian's docker-registry) forgets an upload of which a chunk came in part: then
the blob begins anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from labwright.errors import Cause, LabwrightError
from labwright.registry.attempts import Attempts
from labwright.registry.blob import Blob
from labwright.registry.failures import Answer, Broken, Busy, Lost
from labwright.registry.transport import Transport

CHUNK = 4 << 20
"""Bytes; GHCR answers 416 to larger ones (oras-project/rust-oci-client#35)."""
UNKNOWN_SIZE = -1
RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,15})")
CHUNKS_REFUSED = 2
"""After so many times a registry is taken for one that wants a blob in one piece."""
FORGOTTEN = (400, 404, 405, 416, 501)
"""Answers to a chunk after which it is best to begin anew: unknown upload, other offset, no chunks taken, no hash."""


class Body:
    """A part of a blob as a file that urllib3 sends."""

    def __init__(self, blob: Blob, offset: int, size: int, sent: Callable[[int], None]) -> None:
        self._size = size
        self._sent = sent
        self._parts: Iterator[bytes] = blob.read(offset, size)
        self._rest = memoryview(b"")

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(1 << 17):
            yield data

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._parts, b""))
        count = len(self._rest) if size < 0 else size
        data, self._rest = bytes(self._rest[:count]), self._rest[count:]
        self._sent(len(data))
        return data


@dataclass
class Upload:
    """One blob on its way. sent: bytes that went out, those of failed attempts among them."""

    transport: Transport
    repository: str
    blob: Blob
    mount: tuple[str, ...]
    say: Callable[[str], None]
    sent: int = 0
    location: str = ""
    chunk: int = CHUNK
    there: bool = False
    refused: int = 0
    """How often a chunk was, wherever in the blob."""
    stuck: int = 0
    """How often in a row a connection broke with a chunk of which nothing arrived."""
    broke_at: int | None = None

    def run(self) -> int:
        """Bring it there. Returns the bytes that went out; 0 where the registry had it. Raises LabwrightError."""
        attempts = Attempts(self.transport.patience, self.say)
        if self._exists(attempts):
            return 0
        offset = 0
        while True:
            try:
                offset = self._begin() if not self.location else self._resume()
                if self.there:
                    return self.sent
                while not self._done(offset):
                    offset = self._send_chunk(offset)
                    attempts.reached(offset)
                    self.say(f"uploading: {100 * offset // self.blob.size} %")
            except Lost as error:
                self.location = ""
                attempts.failed(error)
                if self._exists(attempts):
                    return self.sent
            except Broken as error:
                attempts.failed(error)
            else:
                return self.sent

    @property
    def scopes(self) -> tuple[str, ...]:
        """What a token must allow."""
        return (push_scope(self.repository),)

    @property
    def doing(self) -> str:
        """Words for errors."""
        return f"{self.transport.host}/{self.repository}: uploading {self.blob.digest[:19]}"

    @property
    def whole(self) -> bool:
        """Whether it is to go in one piece."""
        return max(self.refused, self.stuck) >= CHUNKS_REFUSED

    def _exists(self, attempts: Attempts) -> bool:
        while True:
            try:
                return blob_size(self.transport, self.repository, self.blob.digest, self.scopes) == self.blob.size
            except Broken as error:
                attempts.failed(error)

    def _begin(self) -> int:
        """Open an upload, or have the blob taken over from another repository of the registry."""
        if self._mounted():
            self.there = True
            return self.blob.size
        answer = self._post("", self.scopes)
        self._take(answer)
        minimum = answer.headers.get("oci-chunk-min-length", "")
        if minimum.isdecimal() and len(minimum) < 12:
            self.chunk = max(CHUNK, int(minimum))
        return 0

    def _mounted(self) -> bool:
        for name in self.mount:
            scopes = (*self.scopes, f"repository:{name}:pull")
            try:
                answer = self._post(f"?mount={self.blob.digest}&from={quote(name, safe='')}", scopes)
            except Broken:
                raise
            except LabwrightError:
                # It is a short cut: what we may not read there is sent.
                continue
            if answer.code == 201:
                return True
        return False

    def _post(self, query: str, scopes: tuple[str, ...]) -> Answer:
        return self.transport.ask(
            "POST", f"/v2/{self.repository}/blobs/uploads/{query}", self.doing, scopes, (201, 202),
            headers={"Content-Length": "0"},
        )  # fmt: skip

    def _resume(self) -> int:
        """Where to go on; at the beginning where chunks are not taken."""
        offset = self._ask()
        if self.broke_at is not None:
            self.stuck = self.stuck + 1 if offset <= self.broke_at else 0
            self.broke_at = None
        return self._begin() if offset and self.whole else offset

    def _ask(self) -> int:
        """How much of it has arrived."""
        answer = self._checked("GET", self.location, (204, 202, 200))
        self._take(answer)
        return self._offset(answer, 0)

    def _send_chunk(self, offset: int) -> int:
        size = min(self.chunk, self.blob.size - offset)
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{offset}-{offset + size - 1}"}
        try:
            answer = self._checked("PATCH", self.location, (202, 201, 204), offset, size, headers)
        except Lost:
            self.refused += 1
            raise
        except Broken as error:
            self.broke_at = None if isinstance(error, Busy) else offset
            raise
        self._take(answer)
        reached = self._offset(answer, offset + size)
        if reached <= offset:
            # ECR tells the end of the first chunk for ever (aws/containers-roadmap#2831).
            self.refused += 1
            raise self._lost(answer, "it has no more of the upload than before")
        self.stuck = 0
        return reached

    def _done(self, offset: int) -> bool:
        """Close the upload once everything is there. What is one chunk goes with that, and all where none is taken."""
        rest = self.blob.size - offset
        if rest and (offset or (self.blob.size > self.chunk and not self.whole)):
            return False
        separator = "&" if urlsplit(self.location).query else "?"
        place = f"{self.location}{separator}digest={quote(self.blob.digest, safe='')}"
        headers = {"Content-Type": "application/octet-stream"} | ({} if rest else {"Content-Length": "0"})
        try:
            self._checked("PUT", place, (201, 204, 202), offset, rest, headers)
        except Broken:
            # It was no matter of chunks: what has arrived need not go again.
            self.stuck = 0
            raise
        return True

    def _checked(
        self, method: str, place: str, accept: tuple[int, ...], offset: int = 0, size: int = 0,
        headers: dict[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """A request of this upload. Raises Lost where the registry does not know it, or has other bytes of it."""
        body = (lambda: Body(self.blob, offset, size, self._count)) if size else None
        answer = self.transport.ask(method, place, self.doing, self.scopes, (*accept, *FORGOTTEN), headers, body)
        if answer.code in FORGOTTEN:
            raise self._lost(answer, "it has lost the upload, or takes it otherwise")
        return answer

    def _lost(self, answer: Answer, why: str) -> Lost:
        return Lost(
            f"{self.doing}: the registry answers {answer.code}: {why}",
            cause=Cause.NETWORK,
            details=answer.words,
            hint="did the file change meanwhile? if not, the registry's log tells more; run the same command again",
        )

    def _take(self, answer: Answer) -> None:
        if location := answer.headers.get("location", ""):
            self.location = self.transport.resolve(location, self.doing)
        if not self.location:
            raise Broken(f"{self.doing}: the registry does not say where to")

    def _offset(self, answer: Answer, expected: int) -> int:
        """What the registry says that it has. `0-0` stands for nothing, too (distribution 2)."""
        said = RANGE.fullmatch(answer.headers.get("range", ""))
        count = expected if said is None else (int(said[1]) + 1 if int(said[1]) else 0)
        return count if count <= self.blob.size else 0

    def _count(self, size: int) -> None:
        self.transport.patience.check()
        self.sent += size


def push_scope(repository: str) -> str:
    """What a token must allow for writing."""
    return f"repository:{repository}:pull,push"


def blob_size(transport: Transport, repository: str, digest: str, scopes: tuple[str, ...]) -> int | None:
    """Bytes of a blob that the registry has, UNKNOWN_SIZE where it does not say, None where it has none of this
    digest."""
    answer = transport.ask(
        "HEAD", f"/v2/{repository}/blobs/{digest}", f"{transport.host}/{repository}: looking for {digest[:19]}",
        scopes, (200, 404),
    )  # fmt: skip
    if answer.code == 404:
        return None
    length = answer.headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 16 else UNKNOWN_SIZE


def upload(
    transport: Transport, repository: str, blob: Blob, mount: tuple[str, ...], say: Callable[[str], None]
) -> int:
    """Bring a blob to a registry that may have it. mount: other repositories there that may have it.

    Returns the bytes that went out, those of broken attempts among them. Raises LabwrightError (network, config,
    signature).
    """
    return Upload(transport, repository, blob, mount, say).run()
