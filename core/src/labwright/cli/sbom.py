"""labwright sbom."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.session import failures
from labwright.trust.sbom import bill_of_materials
from labwright.trust.vouch import read_facts, text_of


def sbom(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="The JSON file that build puts beside an image.")],
) -> None:
    """Print what is in an image: a bill of materials in CycloneDX's JSON."""
    with failures():
        sys.stdout.write(text_of(bill_of_materials(read_facts(report))))
