"""labwright plugins list."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from labwright.cli.session import Json, failures, out, print_json
from labwright.hooks import Plugin
from labwright.plugins import discover_all, hook_manager


def list_plugins(json_document: Json = False) -> None:
    """List every plugin with its package, its health and its limits; a broken one says why and what to do."""
    with failures(json_document):
        plugins = [*discover_all(), *hook_manager()[1]]
        if json_document:
            print_json([_facts(plugin) for plugin in plugins])
            return
        table = Table("type", "interface", "package", "health", "note", box=None, pad_edge=False)
        for plugin in plugins:
            package = f"{plugin.package} {plugin.version}".strip()
            cells = (plugin.name, plugin.interface, package, plugin.health, _words(plugin))
            table.add_row(*map(escape, cells))
        out.print(table)


def _words(plugin: Plugin) -> str:
    return "; ".join(filter(None, (plugin.note or plugin.title, plugin.remedy)))


def _facts(plugin: Plugin) -> dict[str, str]:
    return {
        "interface": plugin.interface, "type": plugin.name, "package": plugin.package, "version": plugin.version,
        "health": plugin.health, "title": plugin.title, "note": plugin.note, "remedy": plugin.remedy,
    }  # fmt: skip
