"""What vouches for a version of an image, put beside it before it is in service."""

from __future__ import annotations

from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.files import file_digest
from labwright.nightly import record
from labwright.nightly.model import Night
from labwright.nightly.night import Vouch
from labwright.nightly.places import Places
from labwright.trust.checksums import SUMS, is_signed
from labwright.trust.keys import load_private_key
from labwright.trust.provenance import Invocation
from labwright.trust.vouch import read_facts, vouch


def papers(key: str, nights: Path) -> Vouch:
    """Bill of materials and SHA256SUMS; signed, and with provenance, where a key is named (env:NAME, file:/path).

    nights: the folder of all nights, which anybody may see, so that no key may be in it. Raises LabwrightError (config)
    for a key that cannot be read, before a night is spent.
    """
    signing = load_private_key(key, "--key", nights) if key else None

    def put(folder: Path, slug: str, night: Night) -> None:
        vouch(folder, slug, signing, Invocation(revision=night.revision, identifier=f"night {night.number}"))

    return put


def renewed(key: str, nights: Path) -> Vouch:
    """The same for a version that stays in service, where its papers are missing or signed by another key.

    They name the night that made it. Raises as `papers` does; and (signature) when it is called, for a disk that is
    not the one that was tested: nothing is signed again unseen.
    """
    signing = load_private_key(key, "--key", nights) if key else None
    put = papers(key, nights)

    def renew(folder: Path, slug: str, _: Night) -> None:
        if is_signed(folder, signing.public) if signing else (folder / SUMS).is_file():
            return
        if file_digest(folder / f"{slug}.qcow2") != read_facts(folder / f"{slug}.json").get("sha256"):
            raise LabwrightError(
                f"{slug}.qcow2 in {folder} is not the image that was tested",
                cause=Cause.SIGNATURE,
                hint="a disk lost it, or somebody changed it: move the folder away, and the next night builds it again",
            )
        number = int(folder.name)
        put(folder, slug, record.read(Places(nights), number) or Night(number, 0.0, ()))

    return renew
