"""Secrets out of what others say: children repeat what they were given, and logs are passed on."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterable

MASKED = "********"
SHORT = 6
"""Characters. A shorter secret is masked as a word of its own only: a password `root` is in every line about chroot."""


class Mask:
    """Replaces secrets, however they are quoted. Its repr shows none of them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in quoted(secret)}
        # The longest first: one secret can be the beginning of another.
        patterns = [_pattern(form) for form in sorted(forms, key=len, reverse=True)]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def __call__(self, text: str) -> str:
        """The text without the secrets."""
        return self._pattern.sub(MASKED, text) if self._pattern else text


def quoted(secret: str) -> set[str]:
    """A secret as JSON, Python, URLs, XML and shells write it."""
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote(secret),
        urllib.parse.quote_plus(secret),
        html.escape(secret),
        html.escape(secret, quote=False),
        secret.replace("'", "'\"'\"'"),
    }


def basic(user: str, password: str) -> str:
    """What HTTP's basic authentication makes of them (RFC 7617); tools that show headers show it."""
    return base64.b64encode(f"{user}:{password}".encode()).decode() if password else ""


def _pattern(form: str) -> str:
    if len(form) >= SHORT:
        return re.escape(form)
    return rf"(?<!\w){re.escape(form)}(?!\w)"
