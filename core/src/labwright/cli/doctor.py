"""labwright doctor."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from labwright.cli.session import Json, failures, out, print_json, workshop
from labwright.errors import Cause, LabwrightError
from labwright.host.probes import Finding, examine
from labwright.lesson.room import check
from labwright.vm.accelerator import probe_kvm

SIGNS = {"ok": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "missing": "[red]✗[/red]"}


def check_lessons() -> Finding:
    """Lessons cannot be brought up here: their network and the rooms of their jobs are namespaces; builds are fine."""
    try:
        check()
    except LabwrightError as error:
        return Finding("lessons", "warning", error.what, check_lessons.__doc__ or "", error.hint)
    return Finding("lessons", "ok", "a network and a room for jobs can be made")


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Also start the libguestfs appliance, which is slow.")] = False,
    json_document: Json = False,
) -> None:
    """Try what builds need on this host; for what does not work, say what it means and what mends it."""
    with failures(json_document):
        paths = workshop().paths
        findings = [*examine(paths, probe_kvm, deep=deep), check_lessons()]
        if json_document:
            print_json([asdict(finding) for finding in findings])
        for finding in [] if json_document else findings:
            out.print(f"{SIGNS[finding.state]} {escape(finding.name)}: {escape(finding.found)}", highlight=False)
            if finding.state != "ok":
                out.print(f"    {escape(finding.meaning)}", highlight=False)
                out.print(f"    [bold]what to do[/bold]: {escape(finding.remedy)}", highlight=False)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(Cause.HOST.exit_code)
