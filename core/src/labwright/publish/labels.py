"""What an image in a registry says of itself: the annotations that the OCI defines, and ours."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass

from labwright.host.text import plain
from labwright.publish.delivered import Delivered

OCI = "org.opencontainers.image"
OURS = "org.labwright"
LONGEST = 512


@dataclass(frozen=True)
class Origin:
    """Where an image's description comes from. revision: of its folder (git), `-dirty` at its end where it is changed.

    source: a URL of the repository; description: what image.meta.yaml says. Empty where there is none.
    """

    revision: str = ""
    source: str = ""
    description: str = ""


def labels(delivered: Delivered, origin: Origin) -> dict[str, str]:
    """Labels of a built image: the same for the same input, and no secret among them."""
    facts = delivered.facts
    kind, release = str(facts.get("type", "")), str(facts.get("release", ""))
    made_of = " ".join(word for word in (kind, release) if word)
    pins = facts.get("pins")
    found = {
        f"{OCI}.title": delivered.slug,
        f"{OCI}.description": origin.description or f"{delivered.slug}: {made_of}",
        f"{OCI}.version": release or delivered.sha256[:12],
        f"{OCI}.revision": origin.revision,
        f"{OCI}.created": created(delivered) if delivered.epoch else "",
        f"{OCI}.source": origin.source,
        f"{OURS}.image": delivered.slug,
        f"{OURS}.type": kind,
        f"{OURS}.lock": _hash(pins) if pins else "",
        f"{OURS}.visibility": str(facts["visibility"]),
    }
    return {name: plain(value)[:LONGEST] for name, value in found.items() if value}


def created(delivered: Delivered) -> str:
    """The age that its packages give it (RFC 3339): no clock is asked, so that equal nights publish equal bytes."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(delivered.epoch))


def _hash(pins: object) -> str:
    return hashlib.sha256(json.dumps(pins, sort_keys=True).encode()).hexdigest()
