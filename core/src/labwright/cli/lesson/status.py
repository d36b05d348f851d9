"""labwright lesson status."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from labwright.cli.session import errors, failures, out, print_json, workshop
from labwright.errors import Cause, LabwrightError
from labwright.lesson.keeper.ask import ask_keeper
from labwright.lesson.lab import Lab, all_labs, find_lab, running_lab
from labwright.ui.views import error_facts, show_error


def status(
    lesson_dir: Annotated[
        Path | None, typer.Argument(metavar="[LESSON]", help="Folder of a lesson; by default every lab that is up.")
    ] = None,
    json_document: Annotated[bool, typer.Option("--json", help="JSON for programs instead of text for people.")] = (
        False
    ),
) -> None:
    """Say which machines of a lesson run, how to reach them, and what passed its links.

    Exit code 3 where a lab cannot be read; the others are shown.
    """
    with failures(json_document):
        paths = workshop().paths
        unreadable: list[LabwrightError] = []
        if lesson_dir is None:
            labs, unreadable = all_labs(paths)
        else:
            found = find_lab(lesson_dir, paths)
            labs = [found if found and not found.alive else running_lab(lesson_dir, paths)]
        if json_document:
            print_json({
                "labs": [facts_of(lab) for lab in labs], "unreadable": [error_facts(error) for error in unreadable],
            })  # fmt: skip
        elif not labs and not unreadable:
            out.print("no lesson is up")
        else:
            for lab in labs:
                _show(lab)
            for error in unreadable:
                show_error(error, errors)
        if unreadable:
            raise typer.Exit(Cause.HOST.exit_code)


def state_of(lab: Lab) -> str:
    """Its phase, or what became of it, in words."""
    if not lab.alive:
        return "dead"
    if lab.abandoned:
        return f"{lab.phase}, and whoever started it is gone"
    return lab.phase


def facts_of(lab: Lab) -> dict[str, Any]:
    """A lab as data: no passwords."""
    traffic = _traffic(lab)
    return {
        "name": lab.name, "lesson": str(lab.lesson), "state": state_of(lab), "stage": lab.stage, "took": lab.took,
        "problem": lab.problem, "process": lab.keeper, "accelerator": lab.accelerator,
        "endpoints": [
            {
                "name": machine.name, "image": machine.image, "user": machine.user, "ended": lab.ended(machine.name),
                "address": machine.address, "mac": list(machine.macs), "interfaces": list(machine.interfaces),
                "ports": {str(inside): outside for inside, outside in machine.ports.items()},
                "ready": machine.ready, "from_snapshot": machine.quick, "console": str(machine.console),
            }
            for machine in lab.machines
        ],
        "links": [
            {
                "name": link.name, "a": link.a, "a_interface": link.a_interface, "b": link.b,
                "b_interface": link.b_interface, "subnet": link.subnet, **traffic.get(link.name, {}),
            }
            for link in lab.links
        ],
    }  # fmt: skip


def _traffic(lab: Lab) -> dict[str, Any]:
    with contextlib.suppress(LabwrightError):
        if lab.alive:
            found: dict[str, Any] = ask_keeper(lab.control, do="links")["links"]
            return found
    return {}


def describe(lab: Lab) -> str:
    """How a learner gets in, in a few lines."""
    place = shlex.quote(str(lab.lesson))
    lines = [f"\n{lab.name} is ready at stage {lab.stage} after {lab.took:.1f} s."]
    for machine in lab.machines:
        lines.append(f"  labwright lesson ssh {place} {machine.name}")
        others = [f"http://127.0.0.1:{outside} ({inside})" for inside, outside in machine.ports.items() if inside != 22]
        if others:
            lines.append(f"    other ports: {', '.join(others)}")
    lines.append(f"End it: labwright lesson down {place}")
    return "\n".join(lines)


def _show(lab: Lab) -> None:
    facts = facts_of(lab)
    head = f"[bold]{escape(lab.name)}[/bold]: {escape(facts['state'])}, stage {lab.stage}"
    out.print(f"{head}  ({escape(str(lab.lesson))})", highlight=False, soft_wrap=True)
    if lab.problem:
        out.print(f"  {escape(lab.problem)}", highlight=False, soft_wrap=True)
    table = Table("endpoint", "image", "state", "ports of 127.0.0.1", "management MAC", box=None, pad_edge=False)
    for machine in facts["endpoints"]:
        ports = " ".join(f"{inside}→{outside}" for inside, outside in machine["ports"].items())
        state = machine["ended"] or (f"answers after {machine['ready']} s" if machine["ready"] else "not ready")
        table.add_row(*map(escape, (machine["name"], machine["image"], state, ports, machine["mac"][0])))
    out.print(table)
    for link in facts["links"]:
        out.print(f"  {escape(_link_line(link))}", highlight=False, soft_wrap=True)


def _link_line(link: dict[str, Any]) -> str:
    counted = "there" in link and "back" in link
    frames = f"{link['there']['frames']}/{link['back']['frames']}" if counted else "not known: its process does not say"
    conditions = link.get("conditions", {})
    odd = "cut" if conditions.get("cut") else ", ".join(
        f"{name} {value:g}" for name, value in conditions.items() if name != "cut" and value
    )  # fmt: skip
    ends = f"{link['a']} {link['a_interface']} - {link['b']} {link['b_interface']}"
    line = f"{link['name']}: {ends}, frames {frames}"
    line += f", {odd}" if odd else ""
    return line + (f", captured in {link['capture']}" if link.get("capture") else "")
