"""labwright plan."""

from __future__ import annotations

from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from labwright.cli.build import Locked, Method, Source
from labwright.cli.session import ImageFolder, Json, failures, out, print_json, workshop
from labwright.guest.way import AUTO
from labwright.host.quantities import duration, size
from labwright.pipeline.build import Wish, plan_image, way_of
from labwright.pipeline.steps import Planned, estimate
from labwright.spec.load import image_folder, load_image


def plan(
    image_dir: ImageFolder,
    locked: Locked = False,
    source: Source = None,
    method: Method = AUTO,
    json_document: Json = False,
) -> None:
    """Say what a build would run, why, and what it takes. Touches nothing and asks no mirror."""
    with failures(json_document):
        spec = load_image(image_dir, source)
        wish = Wish(spec, image_folder(image_dir), locked, method=method)
        steps = plan_image(wish, workshop())
        total = estimate(steps)
        way = way_of(wish)
        if json_document:
            known = asdict(way) if way else None
            print_json({"steps": [facts(step) for step in steps], "total": asdict(total), "way": known})
            return
        table = Table("step", "", "why", "time", "disk", "memory", box=None, pad_edge=False)
        for step in steps:
            table.add_row(*cells(step))
        out.print(table)
        if way:
            out.print(f"the way into the disk: {way.method} ({way.why})", highlight=False, markup=False)
        if not any(step.runs for step in steps):
            out.print("nothing to do, unless the mirrors have something new")
            return
        guess = "" if total.known else "; ~ is a guess, as the step has not run here yet"
        out.print(
            f"about {duration(total.seconds)}, {size(total.disk)} of disk and {size(total.memory)} of memory at their "
            f"peaks{guess}",
            highlight=False,
        )


def facts(step: Planned) -> dict[str, object]:
    """A planned step as data; seconds, and bytes."""
    return {
        "step": step.step.name,
        "runs": step.runs,
        "why": step.why,
        "seconds": step.seconds,
        "disk": step.disk,
        "memory": step.memory,
        "guess": step.last is None,
    }


def cells(step: Planned) -> tuple[str, ...]:
    """A planned step as a line of the table."""
    if not step.runs:
        kept = f" ({size(step.stored.size)})" if step.stored else ""
        return step.step.name, "kept", escape(step.why) + kept, "", "", ""
    about = "" if step.last else "~"
    costs = (duration(step.seconds), size(step.disk), size(step.memory))
    return step.step.name, "runs", escape(step.why), *(f"{about}{cost}" for cost in costs)
