"""labwright lesson link."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from labwright.cli.lesson.common import LessonFolder
from labwright.cli.places import file_place
from labwright.cli.session import failures, out, print_json, workshop
from labwright.errors import Cause, LabwrightError
from labwright.lesson.keeper.ask import ask_keeper
from labwright.lesson.keeper.frames import Conditions
from labwright.lesson.lab import Lab, LabLink, running_lab
from labwright.lesson.monitors import carrier


def link(
    lesson_dir: LessonFolder,
    name: Annotated[str, typer.Argument(metavar="A--B", help="The link; labwright lesson status lists them.")],
    cut: Annotated[bool, typer.Option("--cut", help="Pull the cable: both ends lose their carrier.")] = False,
    mend: Annotated[bool, typer.Option("--mend", help="Plug it in again, with no delay, loss or limit.")] = False,
    delay: Annotated[float | None, typer.Option(min=0, max=60000, help="Milliseconds each way.")] = None,
    jitter: Annotated[float | None, typer.Option(min=0, max=60000, help="Milliseconds around that.")] = None,
    loss: Annotated[float | None, typer.Option(min=0, max=100, help="Per cent of the frames.")] = None,
    rate: Annotated[int | None, typer.Option(min=0, help="kbit/s each way; 0 for no limit.")] = None,
    capture: Annotated[
        Path | None, typer.Option(metavar="FILE.pcap", help="Write every frame to a new file from now on.")
    ] = None,
    no_capture: Annotated[bool, typer.Option("--no-capture", help="Stop writing.")] = False,
    json_document: Annotated[bool, typer.Option("--json", help="JSON for programs instead of text for people.")] = (
        False
    ),
) -> None:
    """Cut a link of a lesson that is up, delay it, lose frames on it, or write down what passes; or say how it is."""
    with failures(json_document):
        lab = running_lab(lesson_dir, workshop().paths)
        found = lab.link(name)
        changes = {"delay": delay, "jitter": jitter, "loss": loss, "rate": rate}
        wanted: dict[str, Any] = {key: value for key, value in changes.items() if value is not None}
        if odd := [key for key, value in wanted.items() if not math.isfinite(value)]:
            raise LabwrightError(f"--{odd[0]} is no number", cause=Cause.CONFIG, hint="say milliseconds, or per cent")
        if cut and mend:
            raise LabwrightError("--cut and --mend are opposites", cause=Cause.CONFIG, hint="say one of them")
        if mend:
            wanted = asdict(Conditions()) | wanted
        if cut:
            wanted["cut"] = True
        place = _new_file(capture) if capture and not no_capture else None
        _change(lab, found, wanted)
        if capture or no_capture:
            ask_keeper(lab.control, do="capture", link=found.name, path=place)
        facts = {"link": found.name} | ask_keeper(lab.control, do="links")["links"][found.name]
        if json_document:
            print_json(facts)
        else:
            out.print(_sentence(facts), highlight=False, soft_wrap=True, markup=False)


def _change(lab: Lab, found: LabLink, wanted: dict[str, Any]) -> None:
    if not wanted:
        return
    ask_keeper(lab.control, do="link", link=found.name, change=wanted)
    if "cut" in wanted:
        carrier(lab, found, up=not wanted["cut"])


def _new_file(path: Path) -> str:
    """Where a capture is to go. Raises LabwrightError (config)."""
    if file_place(path, "--capture").exists():
        raise LabwrightError(f"{path} is there already", cause=Cause.CONFIG, hint="name a file that is not")
    return str(path.absolute())


def _sentence(facts: dict[str, Any]) -> str:
    conditions = facts["conditions"]
    odd = [f"{key} {value:g}" for key, value in conditions.items() if key != "cut" and value]
    there, back = facts["there"], facts["back"]
    state = "is cut" if conditions["cut"] else ", ".join(["carries every frame", *odd])
    passed = f"{there['frames']} and {back['frames']} frames, {there['lost'] + back['lost']} lost"
    return f"{facts['link']} {state}: {passed}" + (f"; captured in {facts['capture']}" if facts["capture"] else "")
