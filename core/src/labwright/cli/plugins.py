"""labwright plugins."""

from __future__ import annotations

import typer
from rich.markup import escape
from rich.table import Table

from labwright.cli.session import Json, failures, out, print_json
from labwright.plugins import discover_all, hook_manager

app = typer.Typer(help="The drivers and checks that are installed.", no_args_is_help=True)


@app.command("list")
def list_plugins(json_document: Json = False) -> None:
    """List every plugin with its package and its health; a broken one says why."""
    with failures(json_document):
        plugins = [*discover_all(), *hook_manager()[1]]
        if json_document:
            print_json(
                [
                    {"interface": plugin.interface, "type": plugin.name, "package": plugin.package,
                     "version": plugin.version, "health": plugin.health, "title": plugin.title, "note": plugin.note}
                    for plugin in plugins
                ]
            )  # fmt: skip
            return
        table = Table("type", "interface", "package", "health", "note", box=None, pad_edge=False)
        for plugin in plugins:
            package = f"{plugin.package} {plugin.version}"
            table.add_row(plugin.name, plugin.interface, package, plugin.health, escape(plugin.note or plugin.title))
        out.print(table)
