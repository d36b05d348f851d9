"""labwright enter."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.build import Method
from labwright.cli.session import Json, session
from labwright.errors import Cause, LabwrightError
from labwright.foreign import identify
from labwright.guest.way import APPLIANCE, AUTO, MOUNTED, choose_way
from labwright.hooks import Event
from labwright.pipeline.runner import scratch_folder
from labwright.provision.shell import ask_in, shell_in


def enter(
    disk: Annotated[Path, typer.Argument(metavar="DISK.raw", help="A raw disk, such as one that --keep kept.")],
    command: Annotated[list[str] | None, typer.Argument(help="Command to run instead of a shell.")] = None,
    method: Method = AUTO,
    partition: Annotated[int | None, typer.Option(min=1, help="Partition of the root, if several hold one.")] = None,
    json_lines: Json = False,
) -> None:
    """Look into a disk whose provisioning failed: a shell as root in its system. What is changed stays."""
    with session(json_lines) as running:
        if identify(disk).format != "raw":
            raise LabwrightError(
                f"{disk} is not a raw disk",
                cause=Cause.CONFIG,
                hint=f"make one: qemu-img convert -O raw {disk} {disk.with_suffix('.raw')}",
            )
        # Who enters a disk by name answers for what its programs do.
        way = choose_way(method, (MOUNTED, APPLIANCE), vouched=True)
        workshop = running.workshop
        workshop.paths.ensure()

        def say(text: str) -> None:
            workshop.emit(Event("progress", disk.name, text=text))

        with scratch_folder(workshop.paths, workshop.ledger) as scratch:
            bench = workshop.runner(disk.stem).workbench(scratch, say, scratch / "log")
            if not command:
                code = shell_in(disk.absolute(), way.method, partition, bench)
                raise typer.Exit(code)
            answer = ask_in(disk.absolute(), way.method, partition, command, bench)
        if not json_lines:
            sys.stdout.write(answer.output)
            sys.stderr.write(answer.errors)
        running.result(f"exit code {answer.code}", code=answer.code, output=answer.output, errors=answer.errors)
        if answer.code:
            raise typer.Exit(Cause.GUEST.exit_code)
