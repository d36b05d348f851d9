"""labwright plugins: one module a command."""

from __future__ import annotations

import typer

from labwright.cli.plugins.check import check_plugin
from labwright.cli.plugins.list import list_plugins
from labwright.cli.plugins.new import new_plugin

app = typer.Typer(help="The drivers and checks that are installed, and the making of others.", no_args_is_help=True)
app.command("list")(list_plugins)
app.command("check")(check_plugin)
app.command("new")(new_plugin)
