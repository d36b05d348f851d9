"""labwright lesson: one module a command."""

from __future__ import annotations

import typer

from labwright.cli.lesson.down import down
from labwright.cli.lesson.graph import graph
from labwright.cli.lesson.link import link
from labwright.cli.lesson.prepare import prepare
from labwright.cli.lesson.reach import console, ssh
from labwright.cli.lesson.stage import configure_lesson, stage, verify_lesson
from labwright.cli.lesson.status import status
from labwright.cli.lesson.up import up
from labwright.cli.lesson.validate import validate_lesson

app = typer.Typer(help="Lessons: from a folder to a lab that learners log in to.", no_args_is_help=True)
app.command("validate")(validate_lesson)
app.command("graph")(graph)
app.command("prepare")(prepare)
app.command("up")(up)
app.command("status")(status)
app.command("ssh")(ssh)
app.command("console")(console)
app.command("stage")(stage)
app.command("configure")(configure_lesson)
app.command("verify")(verify_lesson)
app.command("link")(link)
app.command("down")(down)
