"""Beside a delivered image: what vouches for it, as files that standard tools read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labwright.errors import Cause, LabwrightError, os_error
from labwright.host.files import write_whole
from labwright.trust.checksums import write_checksums
from labwright.trust.keys import SigningKey
from labwright.trust.provenance import Invocation, provenance
from labwright.trust.sbom import bill_of_materials
from labwright.trust.signatures import sign_statement

BILL = "{slug}.cdx.json"
"""The bill of materials: the name by which CycloneDX asks tools to know it."""
PROVENANCE = "{slug}.intoto.json"
"""The provenance, in a signed envelope."""


def vouch(folder: Path, slug: str, key: SigningKey | None, invocation: Invocation | None = None) -> None:
    """Put bill of materials, signed provenance and signed SHA256SUMS beside an image that was delivered to a folder.

    Without a key there is no provenance, which nobody would have to believe, and no signature. Raises LabwrightError.
    """
    report = read_facts(folder / f"{slug}.json")
    statement = provenance(report, invocation)
    bill, signed = folder / BILL.format(slug=slug), folder / PROVENANCE.format(slug=slug)
    try:
        write_whole(bill, text_of(bill_of_materials(report)))
        if key is None:
            signed.unlink(missing_ok=True)
        else:
            write_whole(signed, text_of(sign_statement(statement, key)))
    except OSError as error:
        raise os_error(error, f"{folder} cannot be written") from error
    write_checksums(folder, key)


def read_facts(report: Path) -> dict[str, Any]:
    """The report of a build from its file. Raises LabwrightError (config)."""
    try:
        facts = json.loads(report.read_bytes())
        if not isinstance(facts, dict):
            raise TypeError
    except (OSError, ValueError, TypeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a JSON object"
        raise LabwrightError(
            f"the report {report} cannot be read: {why}",
            cause=Cause.CONFIG,
            hint="name the JSON file that labwright build puts beside the image",
        ) from error
    return facts


def text_of(facts: Mapping[str, Any]) -> str:
    """The text of a document of ours: the same for the same facts."""
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"
