"""labwright lesson validate."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from labwright.cli.session import Json, failures, out, print_json
from labwright.errors import Cause
from labwright.host.text import plain
from labwright.lesson.finding import Finding
from labwright.lesson.validate import Report, validate

SIGNS = {"error": "[red]✗[/red]", "warning": "[yellow]![/yellow]"}


def validate_lesson(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a lesson, or of a whole curriculum.")],
    strict: Annotated[bool, typer.Option("--strict", help="Fail for warnings too.")] = False,
    json_document: Json = False,
) -> None:
    """Say all that is wrong with a lesson or a curriculum, without starting any of it; exit code 2 for an error."""
    with failures(json_document):
        report = validate(place)
        if json_document:
            print_json(_facts(report, strict))
        else:
            _show(report)
        if not report.passes(strict):
            raise typer.Exit(Cause.CONFIG.exit_code)


def _show(report: Report) -> None:
    for path, findings in groupby(report.findings, lambda finding: finding.path):
        out.print(f"[bold]{_words(str(path))}[/bold]", highlight=False, soft_wrap=True)
        out.print(_table(list(findings)), highlight=False)
        out.print()
    counts = (
        (report.lessons, "lesson"), (report.stages, "stage"), (report.endpoints, "endpoint"),
        (report.connections, "connection"), (report.count("error"), "error"), (report.count("warning"), "warning"),
    )  # fmt: skip
    said = [f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts]
    out.print(f"{', '.join(said[:4])}: {' and '.join(said[4:])}", highlight=False, soft_wrap=True)


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("level")
    table.add_column("line", justify="right")
    table.add_column("what is wrong, and what to do", overflow="fold")
    for finding in findings:
        words = f"{_words(finding.message)}\n[dim]{_words(finding.remedy)}[/dim]"
        table.add_row(SIGNS[finding.level], str(finding.line), words)
    return table


def _words(text: str) -> str:
    return escape(plain(text))


def _facts(report: Report, strict: bool) -> dict[str, object]:
    return {
        "place": str(report.place), "ok": report.passes(strict), "lessons": report.lessons, "stages": report.stages,
        "endpoints": report.endpoints, "connections": report.connections, "errors": report.count("error"),
        "warnings": report.count("warning"), "kinds": report.kinds,
        "findings": [asdict(finding) for finding in report.findings],
    }  # fmt: skip
