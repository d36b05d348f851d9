"""A blob from a registry: whole, of the size and with the hash that its descriptor says, or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import requests

from labwright.errors import Cause, LabwrightError, os_error
from labwright.host.files import beside, sync
from labwright.registry.attempts import Attempts
from labwright.registry.failures import Answer, Broken, refusal
from labwright.registry.manifest import Descriptor
from labwright.registry.transport import Transport

CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/(?:[0-9]{1,15}|\*)")
SAY_EVERY = 16 << 20


def pull_scope(repository: str) -> str:
    """What a token must allow for reading."""
    return f"repository:{repository}:pull"


def download(
    transport: Transport, repository: str, wanted: Descriptor, place: Path | None, say: Callable[[str], None]
) -> None:
    """Put a blob at `place`; None: read it only, to see whether it is whole.

    What came before a connection broke is not fetched again. Raises LabwrightError: signature for other content than
    the descriptor's, network, config, disk full; then nothing is at `place` that was not.
    """
    partial = beside(place) if place else Path(os.devnull)
    try:
        if place and wanted.size > shutil.disk_usage(place.parent).free:
            raise LabwrightError(
                f"{place}: {wanted.size} bytes are to come, and there is no room for so many",
                cause=Cause.DISK_FULL,
                hint="free some space, or name another folder",
            )
        with partial.open("xb" if place else "wb") as output:
            _Download(transport, repository, wanted, say).run(output)
            if place:
                output.flush()
                os.fsync(output.fileno())
        if place:
            partial.replace(place)
            sync(place.parent)
    except OSError as error:
        raise os_error(error, f"{place} cannot be written") from error
    finally:
        if place:
            partial.unlink(missing_ok=True)


class _Download:
    def __init__(self, transport: Transport, repository: str, wanted: Descriptor, say: Callable[[str], None]) -> None:
        self._transport = transport
        self._url = f"/v2/{repository}/blobs/{wanted.digest}"
        self._doing = f"{transport.host}/{repository}: downloading {wanted.digest[:19]}"
        self._scopes = (pull_scope(repository),)
        self._wanted = wanted
        self._say = say
        self._there = 0
        self._hash: Any = hashlib.sha256()

    def run(self, output: IO[bytes]) -> None:
        attempts = Attempts(self._transport.patience, self._say)
        while True:
            try:
                self._attempt(output)
                break
            except Broken as error:
                attempts.reached(self._there)
                attempts.failed(error)
        if f"sha256:{self._hash.hexdigest()}" != self._wanted.digest:
            raise self._other("its hash is another")

    def _attempt(self, output: IO[bytes]) -> None:
        headers = {"Range": f"bytes={self._there}-"} if self._there else {}
        with self._transport.opened("GET", self._url, self._doing, self._scopes, headers) as response:
            self._begin(response, output)
            said = self._there
            for data in self._transport.read(response, self._doing):
                if self._there + len(data) > self._wanted.size:
                    raise self._other(f"it has more than {self._wanted.size} bytes")
                output.write(data)
                self._hash.update(data)
                self._there += len(data)
                if self._there - said >= SAY_EVERY:
                    said = self._there
                    self._say(f"downloading: {100 * said // self._wanted.size} %")
        if self._there < self._wanted.size:
            # Where the registry says itself that there is no more, asking again brings none.
            length = response.headers.get("Content-Length", "")
            known = length.isdecimal() and len(length) < 16
            if response.status_code == 200 and known and int(length) < self._wanted.size:
                raise self._other(f"it has {length} bytes, not {self._wanted.size}")
            raise Broken(f"{self._doing}: it broke off after {self._there} of {self._wanted.size} bytes")

    def _begin(self, response: requests.Response, output: IO[bytes]) -> None:
        """Go on where we are, or from the beginning where the registry does not do that."""
        if response.status_code == 206 and self._there:
            said = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if said and int(said[1]) == self._there:
                return
            raise Broken(f"{self._doing}: the registry goes on somewhere else")
        if response.status_code != 200:
            data = self._transport.whole(response, self._doing, 1 << 14, False)
            told = {name.lower(): value for name, value in response.headers.items()}
            who = self._transport.who(self._scopes)
            raise refusal(Answer(response.status_code, told, data), self._doing, who)
        if self._there:
            self._there, self._hash = 0, hashlib.sha256()
            if output.seekable():
                output.seek(0)
                output.truncate()

    def _other(self, why: str) -> LabwrightError:
        return LabwrightError(
            f"{self._doing}: it is not what the manifest names: {why}",
            cause=Cause.SIGNATURE,
            hint="the registry's storage is damaged, or somebody changed it: publish the image again",
        )
