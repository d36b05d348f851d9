"""Words for people: what failed, what the device said, what to do. Nothing secret, nothing that moves a cursor."""

from __future__ import annotations

import re

LONGEST_WORDS = 4000

# After these words FRR's configuration has a secret. A line with a typo in it is sanitized too, so the words are loose.
# Commands: vtysh's own `list permutations`, FRR 8.4: password, enable password, neighbor password, key-string,
# authentication-key, message-digest-key, isis/area/domain password, nhrp authentication, tcp-md5-auth, ospf6 hash-algo.
SECRET = re.compile(
    r"(?P<kept>\b(?:p\w*ss?w\w*d|key-string|authentication-key|message-digest-key(?:[ \t]+\S+)?(?:[ \t]+md5)?"
    r"|hash-algo[ \t]+\S+[ \t]+key|tcp-md5-auth|passphrase|secret|authentication[ \t]+string"
    r"|nhrp[ \t]+authentication))[ \t]+[^\r\n]+",
    re.IGNORECASE,
)

# Everything that a terminal may obey: C0 but for tab and line feed, DEL, C1, and what turns the writing direction.
# Lone surrogates are bytes that are not UTF-8: they are kept so inside, so that they are noticed.
NOT_UTF8 = re.compile(r"[\ud800-\udfff]")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

# vtysh says these whatever happens: its own file is not for everybody, and it sends a marker that not all daemons know.
NOISE = ("can't open configuration file", "xfrr_end_configuration", "xfrr_start_configuration")


def printable(text: str) -> str:
    """The text with control characters spelled out, such as `\\x1b`: a device's output cannot drive a terminal.

    What was not UTF-8 becomes U+FFFD.
    """
    text = NOT_UTF8.sub("\ufffd", text.replace("\r\n", "\n"))
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def sanitized(text: str) -> str:
    """The text with `<removed>` in place of passwords and keys."""
    return SECRET.sub(lambda found: f"{found['kept']} <removed>", text)


def words(*texts: str) -> str:
    """What a device said, for a message: no passwords, no noise, no line twice, at most LONGEST_WORDS characters."""
    lines: dict[str, None] = {}
    for line in "\n".join(texts).splitlines():
        plain = printable(line).strip()
        if plain and not any(noise in plain.lower() for noise in NOISE):
            lines[sanitized(plain)] = None
    said = "\n".join(lines) or "(it said nothing)"
    return said if len(said) <= LONGEST_WORDS else f"{said[:LONGEST_WORDS]} ..."


def message(what: str, said: str = "", remedy: str = "") -> str:
    """One message of up to three parts. said: sanitized here, so a caller cannot forget it."""
    parts = [what]
    if said:
        parts.append("The device said:\n" + "\n".join(f"    {line}" for line in words(said).splitlines()))
    if remedy:
        parts.append(f"What to do: {remedy}")
    return "\n".join(parts)
