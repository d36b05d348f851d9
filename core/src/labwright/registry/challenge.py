"""What a registry wants before it answers: the WWW-Authenticate header (RFC 9110, 11.6.1), and tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from labwright.errors import Cause, LabwrightError
from labwright.host.text import plain
from labwright.registry.location import resolve
from labwright.registry.reference import is_loopback

TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - a grammar
SCHEME = re.compile(rf"\s*,?\s*({TOKEN})(?:\s+|$|(?=,))")
PARAMETER = re.compile(rf'\s*,?\s*({TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({TOKEN}))')
LONGEST = 8192


@dataclass(frozen=True)
class Challenge:
    """A way to authenticate. scheme: in small letters."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """All that a header offers; what is not understood ends the list."""
    found: list[Challenge] = []
    text, place = header[:LONGEST], 0
    while (scheme := SCHEME.match(text, place)) is not None:
        place = scheme.end()
        parameters: dict[str, str] = {}
        while (parameter := PARAMETER.match(text, place)) is not None:
            quoted = parameter[2]
            value = parameter[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters[parameter[1].lower()] = value
            place = parameter.end()
        found.append(Challenge(scheme[1].lower(), parameters))
    return tuple(found)


def token_url(challenge: Challenge, scopes: tuple[str, ...], registry: str) -> str:
    """Where a token for these scopes is to be had. registry: the host that sent us there.

    Raises LabwrightError (config) for a place that may not have our password: plain HTTP, unless both are this machine.
    """
    realm = challenge.parameters.get("realm", "")
    try:
        parts = urlsplit(resolve("", realm, registry))
        host = parts.netloc
    except LabwrightError:
        parts, host = urlsplit(""), ""
    at_home = parts.scheme == "http" and is_loopback(host) and is_loopback(registry)
    if not host or "@" in host or not (parts.scheme == "https" or at_home):
        raise LabwrightError(
            f"{registry} sends to {plain(realm)[:200]!r} for a token: not by HTTPS, so it gets no password",
            cause=Cause.CONFIG,
            hint="set up the registry's token server with TLS",
        )
    asked = [("service", challenge.parameters["service"])] if challenge.parameters.get("service") else []
    asked += [("scope", scope) for scope in scopes]
    return f"{realm}{'&' if parts.query else '?'}{urlencode(asked)}"


def read_token(data: bytes, registry: str) -> str:
    """The token in a token server's answer. Raises LabwrightError (config)."""
    try:
        facts = json.loads(data)
        token = facts.get("token") or facts.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        token = None
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise LabwrightError(
            f"the token server of {registry} answers without a token",
            cause=Cause.CONFIG,
            hint="is it the right registry, and its token server in order?",
        )
    return token
