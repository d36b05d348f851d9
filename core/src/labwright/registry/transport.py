"""One registry by HTTP: TLS, who we are, redirects, and limits for answers that are slow or have no end."""

from __future__ import annotations

import contextlib
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from labwright import __version__
from labwright.errors import Cause, LabwrightError
from labwright.host.http import UnledSession
from labwright.host.run import STOP_PAUSE, Stop
from labwright.host.text import line
from labwright.registry.authorities import all_authorities, own_authorities
from labwright.registry.challenge import Challenge, parse_challenges, read_token, token_url
from labwright.registry.connection import Adapter, watched
from labwright.registry.credentials import Sought, find_credentials
from labwright.registry.failures import Answer, Broken, connection_error, inside, refusal, speaks_plain
from labwright.registry.location import resolve
from labwright.registry.reference import api_host, is_loopback

LARGEST_ANSWER = 1 << 16
REDIRECTS = 5
BREAKS = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError, ssl.SSLError)
"""Not every OSError: a full disk, while an answer is written to it, is no fault of the network."""
MOVED = {301, 302, 303, 307, 308}


@dataclass(frozen=True)
class Patience:
    """How long a registry is waited for, in seconds. read: for the next bytes of an answer.

    answer: for all of a small answer. slowest: bytes a second, less of it for `standstill` is given up.
    pauses: before each further attempt without progress. longest_pause: that a registry may ask for.
    stop: asked twice a second; an error that it gives ends the waiting and is raised.
    """

    connect: float = 20.0
    read: float = 60.0
    answer: float = 60.0
    standstill: float = 30.0
    slowest: float = 100.0
    pauses: tuple[float, ...] = (0.5, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0)
    longest_pause: float = 120.0
    stop: Stop | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise the error of `stop`, where there is one."""
        if self.stop and (error := self.stop()):
            raise error

    def pause(self, seconds: float) -> None:
        """Do nothing for so long. Raises the error of `stop`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, STOP_PAUSE))


@dataclass(frozen=True)
class Access:
    """How a registry may be reached. authorities: a PEM file of those that may sign its certificate (--ca).

    auth_file: see find_credentials. patience: shorter only in tests. environ: variables that credentials and proxies
    are sought by.
    """

    authorities: Path | None = None
    auth_file: Path | None = None
    patience: Patience = Patience()
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    def until(self, stop: Stop | None) -> Access:
        """The same for transfers that end where `stop` says so; see Patience."""
        return replace(self, patience=replace(self.patience, stop=stop))


Body = Callable[[], Any]
"""Makes what is sent anew for each attempt: an object with read() and a length."""


class Transport:
    """Requests to one registry, about one repository at a time."""

    def __init__(self, host: str, access: Access) -> None:
        self.host = host
        self.access = access
        self.patience = access.patience
        self._verify = own_authorities(access.authorities)
        self._bundle = contextlib.ExitStack()
        self._elsewhere: str | bool = ""
        self._session = UnledSession()
        # Without .netrc, which would have a password for hosts that a registry leads to.
        self._session.trust_env = False
        adapter = Adapter(access.patience.read + access.patience.answer, access.patience.stop)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._session.headers["User-Agent"] = f"labwright/{__version__}"
        self._authorization: dict[tuple[str, ...], str] = {}
        self._sought: dict[tuple[str, ...], Sought] = {}
        self._base = ""

    def close(self) -> None:
        """Close its connections."""
        self._session.close()
        self._bundle.close()

    @property
    def base(self) -> str:
        """The registry's URL: HTTPS; plain HTTP only on this machine, and only where nobody speaks TLS."""
        if not self._base:
            self._base = f"https://{api_host(self.host)}"
            if is_loopback(self.host):
                self._base = self._at_home()
        return self._base

    def _at_home(self) -> str:
        try:
            with self._send("GET", f"{self._base}/v2/", {}, None):
                return self._base
        except requests.exceptions.SSLError as error:
            plain_http = any(isinstance(one, ssl.SSLError) and speaks_plain(one) for one in inside(error))
            if not plain_http:
                raise connection_error(error, f"{self.host} cannot be reached") from error
            return f"http://{self.host}"
        except BREAKS as error:
            raise connection_error(error, f"{self.host} cannot be reached") from error
        finally:
            self._base = ""

    def ask(
        self,
        method: str,
        place: str,
        doing: str,
        scopes: tuple[str, ...],
        accept: tuple[int, ...] = (200,),
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        largest: int = LARGEST_ANSWER,
    ) -> Answer:
        """A request and its whole answer. place: a path, or a URL that the registry gave. doing: words for errors.

        accept: codes that are fine. body: what is sent. largest: bytes of an answer that is fine.
        Raises Broken for what may pass, and LabwrightError for what will not.
        """
        with self.opened(method, place, doing, scopes, headers, body) as response:
            fine = response.status_code in accept
            answer = Answer(
                response.status_code,
                {name.lower(): value for name, value in response.headers.items()},
                self.whole(response, doing, largest if fine else LARGEST_ANSWER, fine),
            )
        if not fine:
            raise refusal(answer, doing, self.who(scopes))
        return answer

    @contextlib.contextmanager
    def opened(
        self,
        method: str,
        place: str,
        doing: str,
        scopes: tuple[str, ...],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> Iterator[requests.Response]:
        """An answer that is still to be read, whatever its code; who we are is said if the registry wants to know."""
        try:
            with self._follow(method, self.resolve(place, doing), doing, scopes, headers or {}, body) as response:
                yield response
        except BREAKS as error:
            raise connection_error(error, doing) from error

    def resolve(self, place: str, doing: str) -> str:
        """A path, or a place that the registry named, as a whole URL. Raises LabwrightError (config)."""
        return resolve(self.base, place, doing)

    def read(self, response: requests.Response, doing: str) -> Iterator[bytes]:
        """A long answer, part by part. Raises Broken where it comes too slowly or ends too early."""
        since, count = time.monotonic(), 0
        with watched(response, self.patience.read + self.patience.standstill, self.patience.stop) as going_on:
            # Not iter_content: that waits for a whole part, however slowly it comes.
            while data := response.raw.read1(1 << 18, decode_content=False):
                yield data
                going_on()
                count += len(data)
                now = time.monotonic()
                if now - since > self.patience.standstill:
                    if count / (now - since) < self.patience.slowest:
                        raise Broken(f"{doing}: less than {self.patience.slowest:g} bytes come a second")
                    since, count = now, 0

    def whole(self, response: requests.Response, doing: str, largest: int, fine: bool) -> bytes:
        """A short answer. fine: whether it is an error that it has more than `largest` bytes; else they are left out.

        Raises Broken where it comes too slowly, and LabwrightError (config).
        """
        data = bytearray()
        with watched(response, self.patience.answer, self.patience.stop):
            while len(data) <= largest and (part := response.raw.read1(1 << 16, decode_content=False)):
                data += part
        if len(data) > largest and fine:
            raise LabwrightError(
                f"{doing}: the registry's answer has more than {largest} bytes", cause=Cause.CONFIG,
                hint="it is no such image, or no registry: check its name",
            )  # fmt: skip
        return bytes(data[:largest])

    @contextlib.contextmanager
    def _follow(
        self, method: str, url: str, doing: str, scopes: tuple[str, ...], headers: Mapping[str, str], body: Body | None
    ) -> Iterator[requests.Response]:
        asked = False
        for _ in range(REDIRECTS + 1):
            self._check(url, doing)
            own = self._is_ours(url)
            known = {"Authorization": self._authorization[scopes]} if own and scopes in self._authorization else {}
            with self._send(method, url, {**headers, **known}, body) as response:
                if response.status_code == 401 and own and not asked:
                    asked = True
                    if self._authorize(response.headers.get("WWW-Authenticate", ""), scopes, doing):
                        continue
                leads = response.headers.get("Location", "")
                if response.status_code in MOVED and leads and method in {"GET", "HEAD"}:
                    url = resolve(url, leads, doing)
                    continue
                yield response
                return
        raise LabwrightError(
            f"{doing}: the registry sends from one place to another without an end", cause=Cause.CONFIG,
            hint="its storage or the proxy before it is not set up well",
        )  # fmt: skip

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> requests.Response:
        return self._session.request(
            method, url, headers={"Accept-Encoding": "identity", **headers}, data=body() if body else None,
            timeout=(self.patience.connect, self.patience.read), stream=True, allow_redirects=False,
            verify=self._verify if self._is_ours(url) else self._verify_elsewhere(),
            proxies={} if is_loopback(urlsplit(url).netloc) else self._proxies(url),
        )  # fmt: skip

    def _verify_elsewhere(self) -> str | bool:
        """Authorities for places that the registry leads to: its token server may be signed by its own authority."""
        if not self._elsewhere:
            self._elsewhere = self._bundle.enter_context(all_authorities(self.access.authorities))
        return self._elsewhere

    def _proxies(self, url: str) -> dict[str, str]:
        return dict(requests.utils.get_environ_proxies(url))

    def _is_ours(self, url: str) -> bool:
        """Whether a URL is of the registry itself, which alone may know who we are."""
        return origin(url) == origin(self._base or self.base)

    def _check(self, url: str, doing: str) -> None:
        """Raise LabwrightError (config) for a place where others could read or change what is sent."""
        parts = urlsplit(url)
        at_home = parts.scheme == "http" and is_loopback(parts.netloc) and is_loopback(self.host)
        if not (parts.scheme == "https" or at_home) or "@" in parts.netloc:
            where = line(f"{parts.scheme[:20]}://{parts.netloc.rpartition('@')[2][:100]}")
            raise LabwrightError(
                f"{doing}: it leads to {where}, not by HTTPS",
                cause=Cause.CONFIG,
                hint="a registry behind a proxy with TLS must know it: X-Forwarded-Proto, or http.relativeurls there",
            )

    def _authorize(self, header: str, scopes: tuple[str, ...], doing: str) -> bool:
        """Get what the registry wants to see. False: nothing that it does not have already."""
        sought = self._credentials(scopes)
        for challenge in parse_challenges(header):
            if challenge.scheme == "bearer":
                self._authorization[scopes] = f"Bearer {self._token(challenge, scopes, sought, doing)}"
                return True
            if challenge.scheme == "basic" and sought.found and self._authorization.get(scopes) != sought.found.basic:
                self._authorization[scopes] = sought.found.basic
                return True
        return False

    def _token(self, challenge: Challenge, scopes: tuple[str, ...], sought: Sought, doing: str) -> str:
        url = token_url(challenge, scopes, self.host)
        headers = {"Authorization": sought.found.basic} if sought.found else {}
        with self._send("GET", url, headers, None) as response:
            data = self.whole(response, doing, LARGEST_ANSWER, response.status_code == 200)
            if response.status_code != 200:
                told = {name.lower(): value for name, value in response.headers.items()}
                raise refusal(Answer(response.status_code, told, data), f"{doing}: no token", self.who(scopes))
        return read_token(data, self.host)

    def _credentials(self, scopes: tuple[str, ...]) -> Sought:
        if scopes not in self._sought:
            repository = scopes[0].split(":")[1] if scopes else ""
            access = self.access
            self._sought[scopes] = find_credentials(self.host, repository, access.auth_file, access.environ)
        return self._sought[scopes]

    def who(self, scopes: tuple[str, ...]) -> str:
        """Whose credentials are used, or where they were sought."""
        return self._credentials(scopes).in_words


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port (RFC 6454, 4): what is the same server. A URL that cannot be read has none of its own."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", "", None
    return parts.scheme, parts.hostname or "", port
