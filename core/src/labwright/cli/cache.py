"""labwright cache."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from labwright.cli.session import Json, as_root, failures, out, print_json, workshop
from labwright.host.quantities import duration, size
from labwright.pipeline.prune import parse_size, prune

app = typer.Typer(help="What earlier builds made and may be used again.", no_args_is_help=True)


@app.command("list")
def list_outputs(json_document: Json = False) -> None:
    """List the stored outputs of steps, the oldest first."""
    with failures(json_document):
        outputs = workshop().store.outputs()
        if json_document:
            print_json(
                [
                    {"step": stored.step, "key": stored.key, "bytes": stored.size, "seconds": stored.seconds,
                     "created": stored.created, "folder": str(stored.folder)}
                    for stored in outputs
                ]
            )  # fmt: skip
            return
        table = Table("step", "key", "size", "made in", "made", box=None, pad_edge=False)
        for stored in outputs:
            made = time.strftime("%Y-%m-%d %H:%M", time.localtime(stored.created))
            table.add_row(stored.step, stored.key[:12], size(stored.size), duration(stored.seconds), made)
        out.print(table)
        out.print(f"{size(sum(stored.size for stored in outputs))} in {workshop().store.root}", highlight=False)


@app.command()
def verify(json_document: Json = False) -> None:
    """Read everything and compare it with its hash; what is damaged is removed and made anew by the next build."""
    with failures(json_document):
        as_root(needed=False)
        store = workshop().store
        count = len(store.outputs())
        damaged = [stored for stored in store.damaged() if store.remove_damaged(stored)]
        if json_document:
            print_json({"outputs": count, "removed": [f"{stored.step}/{stored.key}" for stored in damaged]})
            return
        for stored in damaged:
            out.print(f"damaged, removed: {stored.step}/{stored.key}", markup=False)
        out.print(f"{count - len(damaged)} of {count} outputs are whole", highlight=False)


@app.command()
def remove(
    step: Annotated[str, typer.Argument(help="Step whose outputs go; all steps with --all.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Remove the outputs of every step.")] = False,
    json_document: Json = False,
) -> None:
    """Remove stored outputs; the next build makes them anew. What a running build uses stays."""
    with failures(json_document):
        as_root(needed=False)
        if bool(step) == everything:
            raise typer.BadParameter("name a step (see labwright cache list), or say --all")
        store = workshop().store
        chosen = [stored for stored in store.outputs() if everything or stored.step == step]
        gone = [stored for stored in chosen if store.remove_unused(stored)]
        freed = sum(stored.size for stored in gone)
        kept = len(chosen) - len(gone)
        if json_document:
            print_json({"removed": len(gone), "bytes": freed, "in_use": kept})
            return
        out.print(f"removed {len(gone)} outputs, {size(freed)}", highlight=False)
        if kept:
            out.print(f"{kept} are in use by a running build and stay", highlight=False)


@app.command("prune")
def prune_cache(
    to: Annotated[
        str, typer.Option(help="Size to come below, such as 5G; by default LABWRIGHT_CACHE_SIZE or 20G.")
    ] = "",
    json_document: Json = False,
) -> None:
    """Remove what was used longest ago until the cache is below a size. Every build does this at its end."""
    with failures(json_document):
        as_root(needed=False)
        pruned = prune(workshop(), parse_size(to) if to else None)
        if json_document:
            print_json(asdict(pruned))
            return
        for name in pruned.removed:
            out.print(f"removed: {name}", markup=False, highlight=False)
        for name in pruned.in_use:
            out.print(f"in use by a running build: {name}", markup=False, highlight=False)
        out.print(f"freed {size(pruned.freed)}, {size(pruned.left)} left", highlight=False)
