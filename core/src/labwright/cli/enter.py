"""labwright enter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TextIO

import typer

from labwright.cli.build import Method
from labwright.cli.session import as_root, errors, failures, print_json, workshop
from labwright.errors import Cause, LabwrightError
from labwright.foreign import identify
from labwright.guest.way import APPLIANCE, AUTO, MOUNTED, choose_way
from labwright.host.text import plain
from labwright.pipeline.runner import scratch_folder
from labwright.provision.shell import ask_in, shell_in


def enter(
    disk: Annotated[Path, typer.Argument(metavar="DISK.raw", help="A raw disk, such as one that --keep kept.")],
    command: Annotated[list[str] | None, typer.Argument(help="Command to run instead of a shell.")] = None,
    method: Method = AUTO,
    partition: Annotated[int | None, typer.Option(min=1, help="Partition of the root, if several hold one.")] = None,
    json_document: Annotated[bool, typer.Option("--json", help="What the command answers, as JSON.")] = False,
) -> None:
    """Look into a disk whose provisioning failed: a shell as root in its system. What is changed stays."""
    with failures(json_document):
        as_root()
        check(disk, command, json_document)
        # Who enters a disk by name answers for what its programs do.
        way = choose_way(method, (MOUNTED, APPLIANCE), vouched=True)
        place = workshop()
        place.paths.ensure()
        with scratch_folder(place.paths, place.ledger) as scratch:
            bench = place.runner(disk.stem).workbench(scratch, _sayer(json_document), scratch / "log")
            if not command:
                raise typer.Exit(shell_in(disk.absolute(), way.method, partition, bench))
            answer = ask_in(disk.absolute(), way.method, partition, command, bench)
        if json_document:
            print_json({"code": answer.code, "output": answer.output, "errors": answer.errors})
        else:
            _write(answer.output, sys.stdout)
            _write(answer.errors, sys.stderr)
        if answer.code:
            raise typer.Exit(Cause.GUEST.exit_code)


def check(disk: Path, command: list[str] | None, json_document: bool) -> None:
    """Raise LabwrightError (config) for what cannot be entered, or cannot be entered so."""
    if identify(disk).format != "raw":
        raise LabwrightError(
            f"{disk} is not a raw disk",
            cause=Cause.CONFIG,
            hint=f"make one: qemu-img convert -O raw {disk} {disk.with_suffix('.raw')}",
        )
    if not command and (json_document or not sys.stdin.isatty()):
        raise LabwrightError(
            "a shell wants a terminal",
            cause=Cause.CONFIG,
            hint="name a command: labwright enter DISK.raw cat /etc/fstab",
        )


def _sayer(json_document: bool) -> Callable[[str], None]:
    return (lambda _: None) if json_document else lambda text: errors.print(text, markup=False, highlight=False)


def _write(text: str, stream: TextIO) -> None:
    """As it is for a file or a pipe; for a terminal without what it would obey."""
    stream.write(plain(text) if stream.isatty() else text)
