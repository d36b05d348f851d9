"""labwright clean."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from labwright.cli.session import Json, as_root, errors, failures, out, print_json, workshop
from labwright.errors import Cause
from labwright.host.ledger import Cleaned
from labwright.ui.views import error_facts, show_error


def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be undone.")] = False,
    json_document: Json = False,
) -> None:
    """Undo what dead builds left: mounts, loop devices, processes, folders. Nothing else is looked at."""
    with failures(json_document):
        if not dry_run:
            # From inside a user namespace the processes of another one cannot be recognised.
            workshop().ledger.clean(("process",))
        as_root(needed=False)
        ledger = workshop().ledger
        cleaned = Cleaned(tuple(ledger.abandoned()), ()) if dry_run else ledger.clean()
        if json_document:
            undone = [asdict(entry) for entry in cleaned.undone]
            print_json({"undone": undone, "failures": [error_facts(failure) for failure in cleaned.failures]})
        else:
            _say(cleaned, "would undo" if dry_run else "undone")
    if cleaned.failures:
        raise typer.Exit(Cause.HOST.exit_code)


def _say(cleaned: Cleaned, verb: str) -> None:
    for entry in cleaned.undone:
        out.print(f"{verb}: {entry.kind} {entry.what}", markup=False, highlight=False, soft_wrap=True)
    for failure in cleaned.failures:
        show_error(failure, errors)
    if not cleaned.undone and not cleaned.failures:
        out.print("nothing was left behind")
