"""What a registry refuses, and what a connection to it breaks by, in our words."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from labwright.errors import Cause, LabwrightError
from labwright.host.text import line

MOST_WORDS = 5
LONGEST = 300
CHECK_NETWORK = "check its name, this machine's network and whether the registry runs; then run the same command again"


class Broken(LabwrightError):
    """A failure that may pass: worth trying again. after: seconds that the registry asks us to wait."""

    def __init__(
        self, what: str, *, hint: str = CHECK_NETWORK, details: tuple[str, ...] = (), after: float = 0
    ) -> None:
        super().__init__(what, cause=Cause.NETWORK, hint=hint, details=details)
        self.after = after


class Busy(Broken):
    """An answer that may be another one later: the connection held."""


class Endless(TimeoutError):
    """An answer that we ended, since it did not end by itself."""


class Refused(LabwrightError):
    """An answer that is not what was asked for, and will not be another time. code: of HTTP."""

    code = 0


class Lost(LabwrightError):
    """An upload that the registry does not know any more, or not as we do: it is to begin anew."""


@dataclass(frozen=True)
class Answer:
    """What a registry said. headers: names in small letters. data: the body, as far as it is wanted."""

    code: int
    headers: Mapping[str, str]
    data: bytes = field(repr=False, default=b"")

    @property
    def words(self) -> tuple[str, ...]:
        """The errors that it tells (distribution specification, Error Codes), cleaned and few."""
        try:
            listed = json.loads(self.data)["errors"][:MOST_WORDS]
            lines = [f"{one.get('code', '')}: {one.get('message', '')} {_detail(one.get('detail'))}" for one in listed]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            kind = self.headers.get("content-type", "")
            lines = [self.data[:LONGEST].decode("utf-8", "replace")] if kind.startswith("text/plain") else []
        return tuple(cleaned for each in lines if (cleaned := line(each, LONGEST)))


def _detail(detail: object) -> str:
    return f"({json.dumps(detail)[:LONGEST]})" if detail else ""


def refusal(answer: Answer, doing: str, who: str) -> LabwrightError:
    """The error for an answer that is not what was asked for. who: whose credentials were used, or where they lack."""
    said = f"{doing}: the registry answers {answer.code}"
    if answer.code == 429 or answer.code >= 500:
        return Busy(said, details=answer.words, after=_seconds(answer.headers.get("retry-after", "")),
                      hint="it is overloaded or out of order: wait, then run the same command again")  # fmt: skip
    remedies = {
        401: f"log in (docker login, podman login, skopeo login) or name a file with --auth-file; {who}",
        403: f"ask for the right to this repository; {who}",
        404: "check the name and the tag: there is no such image or repository there, or none that we may see",
        413: "the registry, or a proxy before it, takes no files of this size: raise its limit (nginx: "
        "client_max_body_size)",
    }
    meanings = {401: " (not logged in, or a wrong password)", 403: " (forbidden)", 404: " (not there)",
                413: " (too large)"}  # fmt: skip
    refused = Refused(
        said + meanings.get(answer.code, ""),
        cause=Cause.CONFIG,
        details=answer.words,
        hint=remedies.get(answer.code, "see what the registry says; its own log may tell more"),
    )
    refused.code = answer.code
    return refused


def _seconds(value: str) -> float:
    """Of a Retry-After header; a date is not taken, since clocks differ."""
    return float(value) if value.isdecimal() and len(value) < 6 else 0.0


def connection_error(error: Exception, doing: str) -> LabwrightError:
    """The error for a connection that could not be made, or broke."""
    causes = inside(error)
    words = line(str(causes[-1]) or type(causes[-1]).__name__, LONGEST)
    for cause in causes:
        if isinstance(cause, Endless):
            # Not the words of what broke by it.
            return Broken(f"{doing}: {cause}")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return LabwrightError(
                f"{doing}: the certificate of {_asked(error)} does not hold: {line(cause.verify_message, LONGEST)}",
                cause=Cause.SIGNATURE,
                hint="name the authority that signed it: --ca FILE.pem; or check the host's name and this clock",
            )
        if isinstance(cause, ssl.SSLError) and speaks_plain(cause):
            return LabwrightError(
                f"{doing}: the registry speaks plain HTTP",
                cause=Cause.CONFIG,
                hint="give it TLS: labwright sends nothing in the clear, except to registries on this machine",
            )
        if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
            return LabwrightError(
                f"{doing}: there is no host of this name",
                cause=Cause.NETWORK,
                hint="check how it is spelt, and the DNS",
            )
    if isinstance(error, requests.Timeout):
        return Broken(f"{doing}: no answer in time")
    return Broken(f"{doing}: {words}")


def _asked(error: Exception) -> str:
    """Which host it was: a registry sends to others for tokens and blobs."""
    request = getattr(error, "request", None)
    return line(urlsplit(getattr(request, "url", None) or "").netloc.rpartition("@")[2], LONGEST) or "the registry"


def speaks_plain(error: ssl.SSLError) -> bool:
    """Whether what answered a TLS handshake was no TLS."""
    return error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}


def inside(error: BaseException) -> list[BaseException]:
    """The error and all that it comes from, the outermost first: libraries put causes in arguments, too."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one not in found:
            found.append(one)
            more = (*one.args, getattr(one, "reason", None), one.__cause__, one.__context__)
            waiting += [each for each in more if isinstance(each, BaseException)]
    return found
