"""labwright explain."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from labwright.cli.session import Json, failures, out, print_json, workshop
from labwright.host.text import plain
from labwright.pipeline.explain import Explained, last_two, subject
from labwright.pipeline.explain import explain as compare

SHOWN = 40


def explain(
    first: Annotated[str, typer.Argument(metavar="A", help="A report, an image beside its report, or a step.")],
    second: Annotated[
        str, typer.Argument(metavar="[B]", help="What to compare it with; for a step alone: its run before.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Show every file that differs.")] = False,
    json_document: Json = False,
) -> None:
    """Say why two builds differ, or why a step ran again: inputs, then packages, then files."""
    with failures(json_document):
        store = workshop().store
        one, two = (subject(first, store), subject(second, store)) if second else last_two(first, store)
        found = compare(one, two)
        if json_document:
            print_json({"first": one.name, "second": two.name} | asdict(found))
            return
        out.print(f"{one.name} and {two.name}", markup=False, highlight=False, soft_wrap=True)
        _show(found, None if everything else SHOWN)


def _show(found: Explained, most: int | None) -> None:
    if found.same and not found.inputs:
        out.print("are the same, bit for bit")
    elif found.same:
        out.print("have the same content, though something else went in", highlight=False)
    for title, said in (("what went in", found.inputs), ("packages", found.packages), ("files", found.files)):
        if said:
            out.print(f"\n{title}:", highlight=False)
        for sentence in said[:most]:
            out.print(f"  {plain(sentence)}", markup=False, highlight=False, soft_wrap=True)
        if most is not None and len(said) > most:
            out.print(f"  and {len(said) - most} more (--all shows them)", highlight=False)
    for sentence in found.unknown:
        out.print(f"\nnot compared: {sentence}", markup=False, highlight=False, soft_wrap=True)
