"""The command line: one module a noun."""

from __future__ import annotations

import os
import sys
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
    nightly,
    plan,
    plugins,
    prove,
    publish,
    pull,
    sbom,
    schema,
    test,
    verify,
    worker,
)
from labwright.errors import Cause
from labwright.host import interrupts

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
app.command("nightly")(nightly.nightly)
app.command("worker")(worker.worker)
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


def main() -> None:
    """Run a command. SIGTERM and a lost terminal end it as Ctrl-C does, with everything given back."""
    # Not the user's: modes of new folders go into images.
    os.umask(0o022)
    interrupts.listen()
    try:
        sys.exit(app())
    except KeyboardInterrupt:
        # Before a command was begun, or after it had ended.
        sys.exit(Cause.INTERRUPTED.exit_code)
