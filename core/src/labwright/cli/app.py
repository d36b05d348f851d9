"""The command line: one module a noun."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from labwright import __version__
from labwright.cli import (
    build,
    cache,
    clean,
    convert,
    doctor,
    enter,
    explain,
    kernel,
    lesson,
    lock,
    plan,
    plugins,
    prove,
    publish,
    pull,
    sbom,
    schema,
    test,
    verify,
)

app = typer.Typer(
    name="labwright",
    help="Makes the virtual machines of a network lab, from nothing to a learner's login.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("build")(build.build)
app.command("plan")(plan.plan)
app.command("lock")(lock.lock)
app.command("prove")(prove.prove)
app.command("explain")(explain.explain)
app.command("test")(test.test)
app.command("convert")(convert.convert)
app.command("sbom")(sbom.sbom)
app.command("publish")(publish.publish)
app.command("pull")(pull.pull)
app.command("verify")(verify.verify)
app.command("enter")(enter.enter)
app.add_typer(kernel.app, name="kernel")
app.add_typer(lesson.app, name="lesson")
app.add_typer(plugins.app, name="plugins")
app.command("doctor")(doctor.doctor)
app.command("clean")(clean.clean)
app.add_typer(cache.app, name="cache")
app.command("schema")(schema.schema)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"labwright {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    del version


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The entry point: SIGTERM and a lost terminal end a build as Ctrl-C does, with everything given back."""
    # Not the user's: modes of new folders go into images.
    os.umask(0o022)
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    sys.exit(app())
