"""labwright lesson: one module a command."""

from __future__ import annotations

import typer

from labwright.cli.lesson.graph import graph
from labwright.cli.lesson.validate import validate_lesson

app = typer.Typer(help="Lessons: what is wrong with them, and what they look like.", no_args_is_help=True)
app.command("validate")(validate_lesson)
app.command("graph")(graph)
