"""What vouches for a version of an image, put beside it before it is in service."""

from __future__ import annotations

from pathlib import Path

from labwright.nightly.model import Night
from labwright.nightly.night import Vouch
from labwright.trust.keys import load_private_key
from labwright.trust.provenance import Invocation
from labwright.trust.vouch import vouch


def papers(key: str, nights: Path) -> Vouch:
    """Bill of materials and SHA256SUMS; signed, and with provenance, where a key is named (env:NAME, file:/path).

    nights: the folder of all nights, which anybody may see, so that no key may be in it. Raises LabwrightError (config)
    for a key that cannot be read, before a night is spent.
    """
    signing = load_private_key(key, "--key", nights) if key else None

    def put(folder: Path, slug: str, night: Night) -> None:
        vouch(folder, slug, signing, Invocation(revision=night.revision, identifier=f"night {night.number}"))

    return put
