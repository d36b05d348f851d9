"""labwright plan."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from labwright.cli.session import ImageFolder, Json, failures, out, print_json, workshop
from labwright.pipeline.build import plan_image
from labwright.spec.load import load_image
from labwright.ui.text import duration, size


def plan(image_dir: ImageFolder, json_document: Json = False) -> None:
    """Say what a build would run, and why. Touches nothing and asks no mirror."""
    with failures(json_document):
        spec = load_image(image_dir)
        steps = plan_image(spec, workshop())
        if json_document:
            print_json(
                [
                    {"step": step.step.name, "runs": step.runs, "why": step.why, "expected_seconds": step.expected}
                    for step in steps
                ]
            )
            return
        table = Table("step", "", "why", "last time", box=None, pad_edge=False)
        for step in steps:
            took = duration(step.expected) if step.expected else ""
            kept = f" ({size(step.stored.size)})" if step.stored else ""
            table.add_row(step.step.name, "runs" if step.runs else "kept", escape(step.why) + kept, took)
        out.print(table)
        running = [step for step in steps if step.runs]
        if not running:
            out.print("nothing to do, unless the mirrors have something new")
        elif all(step.expected for step in running):
            out.print(f"about {duration(sum(step.expected for step in running))}", highlight=False)
