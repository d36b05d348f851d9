"""labwright clean."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from labwright.cli.session import Json, failures, out, print_json, workshop


def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be undone.")] = False,
    json_document: Json = False,
) -> None:
    """Undo what dead builds left: mounts, loop devices, processes, folders. Nothing else is looked at."""
    with failures(json_document):
        ledger = workshop().ledger
        left = ledger.abandoned() if dry_run else ledger.clean()
        if json_document:
            print_json([asdict(entry) for entry in left])
            return
        for entry in left:
            out.print(f"{'would undo' if dry_run else 'undone'}: {entry.kind} {entry.what}", markup=False)
        if not left:
            out.print("nothing was left behind")
