"""labwright plugins check."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from labwright.cli.session import Json, failures, out, print_json
from labwright.errors import Cause
from labwright.hooks import CheckResult, Plugin
from labwright.plugins.quiet import unheard
from labwright.testing import check_driver, claims, workbench

STYLE = {"pass": "green", "warning": "yellow", "fail": "red"}


def check_plugin(
    name: Annotated[str, typer.Argument(metavar="TYPE", help="The image type that the driver makes.")],
    interface: Annotated[
        str, typer.Option(help="bootstrappers, provisioners or configurators; by default all that offer the type.")
    ] = "",
    json_document: Json = False,
) -> None:
    """Run the conformance kit against an installed driver; exit code 8 if a check fails, warnings pass."""
    with failures(json_document):
        with unheard():
            # Drivers are called, and may print.
            found = [(plugin, _results(plugin)) for plugin in claims(name, interface)]
        if json_document:
            print_json([_facts(plugin, results) for plugin, results in found])
        else:
            for plugin, results in found:
                _show(plugin, results)
        if not all(_passes(results) for _, results in found):
            raise typer.Exit(Cause.PLUGIN.exit_code)


def _results(plugin: Plugin) -> list[CheckResult]:
    with tempfile.TemporaryDirectory(prefix="labwright-") as folder:
        return check_driver(plugin, workbench(Path(folder)))


def _passes(results: list[CheckResult]) -> bool:
    return all(result.state != "fail" for result in results)


def _show(plugin: Plugin, results: list[CheckResult]) -> None:
    table = Table("check", "result", box=None, pad_edge=False, title_justify="left")
    table.add_column("why", overflow="fold")
    table.title = escape(f"{plugin.name}, {plugin.interface}: {plugin.package} {plugin.version}")
    for result in results:
        why = result.found if result.state == "pass" else f"{result.found}. {result.advice}"
        table.add_row(escape(result.check), f"[{STYLE[result.state]}]{result.state}[/]", escape(why))
    out.print(table)
    failed = sum(result.state == "fail" for result in results)
    warned = sum(result.state == "warning" for result in results)
    out.print(f"{len(results)} checks: {failed} failed, {warned} with a warning\n", highlight=False)


def _facts(plugin: Plugin, results: list[CheckResult]) -> dict[str, object]:
    return {
        "interface": plugin.interface, "type": plugin.name, "package": plugin.package, "version": plugin.version,
        "ok": _passes(results), "checks": [asdict(result) for result in results],
    }  # fmt: skip
