"""JSON and base64 from outside, read without a traceback and in one way only."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

STANDARD = re.compile(r"[A-Za-z0-9+/]*={0,2}")
URL_SAFE = re.compile(r"[A-Za-z0-9_-]*={0,2}")


class Unreadable(ValueError):
    """It is not what it is meant to be. Its text is ours, and repeats nothing of what came."""


def parse_object(data: bytes | str) -> dict[str, Any]:
    """A JSON object. Raises Unreadable, also for a key that is there twice: tools differ on which one counts."""
    try:
        found = json.loads(data, object_pairs_hook=_once)
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except Unreadable:
        raise
    except ValueError:
        raise Unreadable("it is not JSON") from None
    if not isinstance(found, dict):
        raise Unreadable("it is not a JSON object")
    return found


def decode(text: object, alphabets: tuple[re.Pattern[str], ...] = (STANDARD,)) -> bytes:
    """Base64 (RFC 4648) of one of the alphabets, padded. Raises Unreadable for any other text."""
    if not isinstance(text, str) or not any(alphabet.fullmatch(text) for alphabet in alphabets):
        raise Unreadable("it is not base64")
    try:
        # Bits that are left over must be 0: one text alone stands for some bytes, or it could be altered unseen.
        data = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        raise Unreadable("it is not base64") from None
    if base64.b64encode(data).decode() != text.replace("-", "+").replace("_", "/"):
        raise Unreadable("it is not base64")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("a key is there twice")
    return found
