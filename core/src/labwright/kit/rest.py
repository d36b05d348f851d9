"""Objects of a REST interface: there they are, as wanted, however often a lesson asks for them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
import urllib3

from labwright.errors import Cause
from labwright.host.clock import Deadline
from labwright.host.http import UnledSession
from labwright.kit.errors import KitError, last_lines

NOT_YET = frozenset({502, 503, 504})
THERE_ALREADY = frozenset({409, 422})
ABSENT = frozenset({404, 410})
ONE_REQUEST = 15.0
LEAST_FOR_BODY = 1.0
MOST_REDIRECTS = 10
LARGEST = 4 << 20
SHOWN = 600
EXISTS = re.compile(r"\balready\b|\bexists\b", re.IGNORECASE)
"""What servers say of an object that is there; not that something else "does not exist"."""
LISTS = ("data", "results", "items")
"""Keys under which interfaces wrap their lists."""
Auth = tuple[str, str] | str | None


@dataclass(frozen=True)
class Ensured:
    """What became of an object. changed: whether it was made or updated. value: as the server showed it last."""

    changed: bool
    created: bool
    value: Any = field(repr=False)


def ensure(
    url: str,
    body: Mapping[str, Any],
    *,
    match: str | tuple[str, ...] = "name",
    at: str = "",
    update: str = "PATCH",
    auth: Auth = None,
    timeout: float = 60.0,
    verify: bool | str = True,
) -> Ensured:
    """There is an object like this: it is created unless it is there, compared, and updated where it differs.

    url: where objects are created (POST), and listed unless `at` is given. body: its fields; those that the server does
    not show, such as passwords, are not compared. match: the fields that make it the same object. at: its own URL,
    where one cannot list. update: PATCH, PUT, or empty for an error where it differs. auth: user and password, or a
    token. timeout: seconds for all of it; a server that does not answer yet is asked again. verify: whether its
    certificate is checked, or by which file. Raises KitError with the status and the beginning of the answer.
    """
    with _Session(auth, timeout, verify) as session:
        where, found = _look(session, url, body, match, at)
        if found is None:
            response = session.ask("POST", url, body)
            if response.code in THERE_ALREADY:
                # Somebody else was faster, or this interface shows it in no list.
                where, found = _look(session, url, body, match, at)
                if found is None and not at and EXISTS.search(response.text):
                    return Ensured(False, False, None)
            if found is None:
                return Ensured(True, True, response.checked().value())
        differs = sorted(key for key in body if key in found and found[key] != body[key])
        if not differs:
            return Ensured(False, False, found)
        if not update or not where:
            raise KitError(f"{_safe(at or url)}: it is there with other values of {', '.join(differs)}")
        response = session.ask(update, where, body).checked()
        return Ensured(True, False, response.value())


def request(
    method: str, url: str, body: Any = None, *, auth: Auth = None, timeout: float = 60.0, verify: bool | str = True
) -> Any:
    """One request, and the answer as plain values. Another status than 2xx is an error. Raises KitError."""
    with _Session(auth, timeout, verify) as session:
        return session.ask(method, url, body).checked().value()


def wait(url: str, *, timeout: float = 120.0, auth: Auth = None, verify: bool | str = True) -> None:
    """Until a GET succeeds. Raises KitError with the last answer."""
    with _Session(auth, timeout, verify) as session:
        response = session.ask("GET", url, not_yet=range(400, 600))
        if response.code >= 400:
            response.checked()


@dataclass(frozen=True)
class _Response:
    method: str
    url: str
    code: int
    text: str

    def checked(self) -> _Response:
        if not 200 <= self.code < 300:
            raise KitError(
                f"{self.method} {_safe(self.url)}: status {self.code}", details=last_lines(self.text[:SHOWN]),
                cause=Cause.NETWORK if self.code in NOT_YET else Cause.GUEST,
            )  # fmt: skip
        return self

    def value(self) -> Any:
        if not self.text.strip():
            return None
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            raise KitError(
                f"{self.method} {_safe(self.url)}: the answer is not JSON", details=last_lines(self.text[:SHOWN])
            ) from None


class _Session:
    """requests, with a deadline for everything, and without what the environment says of proxies and .netrc."""

    def __init__(self, auth: Auth, timeout: float, verify: bool | str) -> None:
        self._deadline = Deadline(timeout)
        self._session = UnledSession()
        self._session.trust_env = False
        self._session.verify = verify
        self._session.headers["Accept"] = "application/json"
        if isinstance(auth, str):
            self._session.headers["Authorization"] = f"token {auth}"
        elif auth:
            self._session.auth = auth

    def __enter__(self) -> _Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ask(self, method: str, url: str, body: Any = None, not_yet: Container[int] = NOT_YET) -> _Response:
        """One request; a refused connection and a server that is not ready are tried again until the deadline."""
        pause, last = 0.2, None
        while True:
            response, failure = None, ""
            try:
                response = self._once(method, url, body)
            except (requests.ConnectionError, requests.Timeout) as error:
                failure = _cause(error)
            except (requests.RequestException, ValueError) as error:
                raise KitError(f"{method} {_safe(url)}: {_cause(error)}", cause=Cause.CONFIG) from None
            if response is not None and (response.code not in not_yet or self._deadline.expired):
                return response
            if self._deadline.expired and last is not None:
                # The deadline cut the attempt short: the answer right before says more.
                return last
            if self._deadline.expired:
                raise KitError(
                    f"{method} {_safe(url)}: no answer in {self._deadline.seconds:g} s: {failure}",
                    cause=Cause.NETWORK, hint="does the service run, and is this its port?",
                )  # fmt: skip
            last = response
            time.sleep(min(pause, max(self._deadline.left, 0.01)))
            pause = min(pause * 2, 2.0)

    def _once(self, method: str, url: str, body: Any) -> _Response:
        seconds = max(0.1, min(ONE_REQUEST, self._deadline.left))
        place, ours = url, True
        for _ in range(MOST_REDIRECTS):
            with self._session.request(
                method, place, json=body, timeout=seconds, stream=True, allow_redirects=False,
                auth=None if ours else _nobody,
            ) as response:  # fmt: skip
                # A redirected POST would become a GET, and what that shows look like an object that was made.
                if method == "GET" and response.is_redirect:
                    there = urljoin(place, response.headers["location"])
                    ours = ours and not self._session.should_strip_auth(place, there)
                    place = there
                    continue
                data = _body(response, Deadline(max(seconds, LEAST_FOR_BODY)))
                if len(data) > LARGEST:
                    raise KitError(f"{method} {_safe(url)}: the answer is larger than {LARGEST >> 20} MiB")
                return _Response(method, url, response.status_code, data.decode("utf-8", "replace"))
        raise requests.TooManyRedirects(f"it leads on and on, {MOST_REDIRECTS} times")


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials: those of the session are for where they were meant for."""
    request.headers.pop("Authorization", None)
    return request


def _body(response: requests.Response, deadline: Deadline) -> bytes:
    """What comes until the end, the deadline, or more than anybody needs. Raises requests.RequestException."""
    data = bytearray()
    try:
        # Not iter_content: that waits for a whole part, however slowly it comes.
        while len(data) <= LARGEST and (part := response.raw.read1(1 << 16, decode_content=True)):
            data += part
            if deadline.expired:
                raise requests.Timeout("the answer has no end")
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from error
    return bytes(data)


def _look(
    session: _Session, url: str, body: Mapping[str, Any], match: str | tuple[str, ...], at: str
) -> tuple[str, dict[str, Any] | None]:
    """Where the object is to be updated, and what it is; None if there is none."""
    if at:
        response = session.ask("GET", at)
        if response.code in ABSENT:
            return at, None
        value = response.checked().value()
        return at, value if isinstance(value, dict) else {}
    keys = (match,) if isinstance(match, str) else match
    if missing := [key for key in keys if key not in body]:
        raise KitError(f"the body has no {missing[0]!r}, which it is to be found by", cause=Cause.CONFIG)
    listed = session.ask("GET", url).checked().value()
    if isinstance(listed, dict):
        listed = next((listed[key] for key in LISTS if isinstance(listed.get(key), list)), [])
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict) and all(each.get(key) == body[key] for key in keys):
            own = each.get("url") if _same_server(each.get("url"), url) else ""
            number = each.get("id")
            return own or (f"{url.rstrip('/')}/{number}" if isinstance(number, int | str) else ""), each
    return "", None


def _same_server(link: object, url: str) -> bool:
    """Whether a link in an answer may have our password: it leads to where the answer came from."""
    try:
        return isinstance(link, str) and urlsplit(link)[:2] == urlsplit(url)[:2]
    except ValueError:
        return False


def _safe(url: str) -> str:
    """A URL without the credentials and the query that may be in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "what is no URL"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _cause(error: Exception) -> str:
    """The innermost words: requests' own repeat the URL."""
    found: BaseException = error
    while (inner := found.__cause__ or found.__context__) is not None:
        found = inner
    return str(found) or type(found).__name__
