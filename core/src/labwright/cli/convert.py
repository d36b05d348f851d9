"""labwright convert."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from labwright.cli.session import Json, session
from labwright.errors import Cause, LabwrightError
from labwright.foreign import Found, Limits, to_qcow2
from labwright.hooks import Event
from labwright.host.quantities import size
from labwright.pipeline.runner import scratch_folder

GIB = 1 << 30
DEFAULT = Limits()


def convert(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A disk image of any kind, packed or not.")],
    destination: Annotated[Path, typer.Argument(metavar="DST.qcow2", help="The qcow2 to make.")],
    force: Annotated[bool, typer.Option("--force", help="Replace DST if it is there.")] = False,
    max_size: Annotated[int, typer.Option(min=1, help="Largest disk, in GiB.")] = DEFAULT.virtual_size // GIB,
    max_ratio: Annotated[float, typer.Option(min=1, help="Most bytes of data for each in SRC.")] = DEFAULT.ratio,
    max_minutes: Annotated[float, typer.Option(min=0.1, help="Most time for a program.")] = DEFAULT.seconds / 60,
    json_lines: Json = False,
) -> None:
    """Make a compressed qcow2 of a disk image from anywhere; nothing in it is trusted."""
    with session(json_lines, root=False) as running:
        check_destination(destination, force)
        if not math.isfinite(max_ratio) or not math.isfinite(max_minutes):
            raise LabwrightError("a limit is no number", cause=Cause.CONFIG, hint="for instance: --max-ratio 1000")
        limits = Limits(max_size * GIB, max_ratio, max_minutes * 60)
        workshop = running.workshop
        workshop.paths.ensure()
        started = time.monotonic()

        def say(text: str) -> None:
            workshop.emit(Event("progress", source.name, text=text, seconds=time.monotonic() - started))

        with scratch_folder(workshop.paths, workshop.ledger) as scratch:
            bench = workshop.runner(source.stem).workbench(scratch, say, scratch / "log")
            found = to_qcow2(source, destination, bench, limits)
        running.result(in_words(found, destination), **facts(found, destination))


def check_destination(destination: Path, force: bool) -> None:
    """Raise LabwrightError (config) for a destination that cannot be written or would be lost."""
    if destination.suffix != ".qcow2":
        raise _refused(destination, "its name does not end in .qcow2", f"name it {destination.stem}.qcow2")
    if destination.is_symlink() or (destination.exists() and not destination.is_file()):
        raise _refused(destination, "something else than a file is there", "choose another name for the result")
    if destination.exists() and not force:
        raise _refused(destination, "it is there already", "choose another name, or replace it with --force")
    if not destination.parent.is_dir():
        raise _refused(destination, "its folder is not there", f"make it: mkdir -p {destination.parent}")


def _refused(destination: Path, why: str, remedy: str) -> LabwrightError:
    return LabwrightError(f"{destination} is not written: {why}", cause=Cause.CONFIG, hint=remedy)


def in_words(found: Found, destination: Path) -> str:
    """What was made of what."""
    kind = " in ".join(reversed((*found.wrapped, found.format)))
    return (
        f"{destination}: a disk of {size(found.virtual_size)} in a file of {size(destination.stat().st_size)}, "
        f"from {found.path} ({kind})"
    )


def facts(found: Found, destination: Path) -> dict[str, Any]:
    """The same for programs; sizes in bytes."""
    return {
        "image": str(destination),
        "source": str(found.path),
        "format": found.format,
        "wrapped": list(found.wrapped),
        "virtual_size": found.virtual_size,
        "size": destination.stat().st_size,
    }
