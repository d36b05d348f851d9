"""labwright lesson up."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.lesson.common import IMAGES, LessonFolder, alone, image_folders, images_of, workbench
from labwright.cli.lesson.status import describe, facts_of
from labwright.cli.lesson.work import LIMIT, configured, work_on
from labwright.cli.session import Json, Session, session
from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event
from labwright.host.interrupts import undisturbed
from labwright.interfaces import Endpoint, Workbench
from labwright.lesson.budget import check_budget
from labwright.lesson.configure import StageWork, find_files
from labwright.lesson.down import end_half_made, end_lab
from labwright.lesson.files import check_files
from labwright.lesson.images import LabImage
from labwright.lesson.lab import Lab, LabEndedError, find_lab, folder_of, write_lab
from labwright.lesson.namespace import enter_new, in_new_network, inherited_doors, listening_sockets, loopback_up
from labwright.lesson.plan import LabPlan, plan_lab
from labwright.lesson.read import Lesson, read_lesson
from labwright.lesson.snapshot import Snapshot, in_use, snapshot_of, unfit
from labwright.lesson.up import Launch, door_count, make_ready, start_lab
from labwright.vm.accelerator import Accelerator, choose_accelerator

Images = Annotated[Path, typer.Option("--images", metavar="DIR", help="Folder with built images and their reports.")]


def up(
    lesson_dir: LessonFolder,
    images: Images = IMAGES,
    stage: Annotated[int, typer.Option(min=0, help="Open the lesson at this stage.")] = 0,
    cold: Annotated[bool, typer.Option("--cold", help="Boot, even where labwright lesson prepare kept a snapshot.")] = (
        False
    ),
    limit: Annotated[float, typer.Option(min=1, help="Seconds for the configuration of an endpoint.")] = LIMIT,
    force: Annotated[bool, typer.Option("--force", help="Start even if it will not fit.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave machines that do not come up, to look at.")] = False,
    json_lines: Json = False,
) -> None:
    """Start the machines of a lesson, lay its links, and configure it. It goes on when this command ends.

    No root is needed, and nothing listens beyond loopback. Machines have no way to the internet.
    """
    with session(json_lines, root=False) as running:
        lesson = read_lesson(lesson_dir)
        found = images_of(lesson, images.absolute())
        plan = plan_lab(lesson.spec, found)
        with alone(lesson.folder, running):
            _check(lesson, stage, running)
            warnings = check_budget(plan, force)
            if in_new_network():
                _bring_up(lesson, images.absolute(), plan, found, stage, cold, limit, keep, warnings, running)
                return
        # The lock is taken again in there: a program that is replaced by another one keeps none.
        enter_new(listening_sockets(door_count(plan)))


def _check(lesson: Lesson, stage: int, running: Session) -> None:
    """Raise LabwrightError (config) where it is up already, its files for this stage are not there, or a machine cannot
    be given one of its files.
    """
    lab = find_lab(lesson.folder, running.workshop.paths)
    if lab and lab.alive:
        how = f"at stage {lab.stage}" if lab.phase == "ready" else f"and is {lab.phase}"
        raise LabwrightError(
            f"{lab.name} is up already, {how}",
            cause=Cause.CONFIG,
            hint=f"labwright lesson stage {stage} {lesson.folder} changes its stage; labwright lesson down ends it",
        )
    if lab:
        end_lab(lab, running.workshop.ledger)
    else:
        end_half_made(folder_of(lesson.folder, running.workshop.paths), running.workshop.ledger)
    endpoints = {each.name: _nobody(each.name) for each in lesson.spec.endpoints}
    find_files(StageWork(lesson.folder, lesson.spec, stage, endpoints))
    check_files(lesson.folder)


def _bring_up(
    lesson: Lesson, images: Path, plan: LabPlan, found: dict[str, LabImage], stage: int, cold: bool, limit: float,
    keep: bool, warnings: tuple[str, ...], running: Session,
) -> None:  # fmt: skip
    started = time.monotonic()
    workshop, name = running.workshop, lesson.spec.slug
    workshop.emit(Event("build-started", name, text=f"{len(plan.machines)} machines, {len(plan.links)} links"))
    for warning in warnings:
        workshop.emit(Event("warning", name, text=warning))
    loopback_up()
    doors = inherited_doors()
    ports = [_port(door) for door in doors]
    with contextlib.ExitStack() as stack:
        bench = stack.enter_context(workbench(running, name, "boot"))
        accelerator = choose_accelerator(bench)
        snapshots = {} if cold else _snapshots(plan, accelerator, running)
        there = {snapshot.folder: stack.enter_context(in_use(snapshot)) for snapshot in set(snapshots.values())}
        snapshots = {name: snapshot for name, snapshot in snapshots.items() if there[snapshot.folder]}
        logins = image_folders(lesson.folder)
        launch = Launch(lesson.folder, lesson.spec, images, logins, plan, doors, accelerator, snapshots)
        how = f", {len(snapshots)} of them from snapshots" if snapshots else ""
        workshop.emit(Event("step-started", name, "boot", f"Start {len(plan.machines)} machines{how}"))
        begun = time.monotonic()
        try:
            lab = start_lab(launch, ports, workshop.paths, workshop.ledger)
            lab = make_ready(lab, launch, bench.say)
            took = time.monotonic() - begun
            done = Event("step-finished", name, "boot", f"Start {len(plan.machines)} machines{how}", "ran", took)
            workshop.emit(done)
            lab = _configure(lab, lesson, stage, limit, running, bench)
            lab = write_lab(replace(lab, took=round(time.monotonic() - started, 1)))
        except BaseException as error:
            _give_up(lesson.folder, error, keep, running)
            raise
    running.result(describe(lab), lab=facts_of(lab))


def _configure(
    lab: Lab, lesson: Lesson, stage: int, limit: float, running: Session, bench: Workbench
) -> Lab:  # fmt: skip
    with work_on(lab, lesson, running, bench) as work:
        return configured(work, stage, limit)[0]


@undisturbed()
def _give_up(folder: Path, error: BaseException, keep: bool, running: Session) -> None:
    """A lab whose configuration failed stays, to be looked at and configured again; any other one goes."""
    lab = find_lab(folder, running.workshop.paths)
    if lab is None:
        return
    if isinstance(error, LabwrightError) and (keep or lab.phase == "failed"):
        if lab.phase != "failed":
            # What went wrong is what people are to read.
            with contextlib.suppress(LabEndedError):
                write_lab(replace(lab, phase="failed", problem=error.what))
        return
    end_lab(lab, running.workshop.ledger)


def _snapshots(plan: LabPlan, accelerator: Accelerator, running: Session) -> dict[str, Snapshot]:
    """Of the endpoints whose image has one."""
    found = {}
    for machine in plan.machines:
        if not unfit(machine.image):
            snapshot = snapshot_of(machine.image, machine.data, accelerator, running.workshop.paths)
            if snapshot:
                found[machine.name] = snapshot
    return found


def _port(door: int) -> int:
    with socket.socket(fileno=os.dup(door)) as listener:
        return int(listener.getsockname()[1])


def _nobody(name: str) -> Endpoint:
    return Endpoint(name, "", 0, "", "")
