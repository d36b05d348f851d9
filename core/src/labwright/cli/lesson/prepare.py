"""labwright lesson prepare."""

from __future__ import annotations

import time

from labwright.cli.lesson.common import IMAGES, LessonFolder, images_of, workbench
from labwright.cli.lesson.up import Images
from labwright.cli.session import Json, session
from labwright.hooks import Event
from labwright.lesson.namespace import enter_new, in_new_network, loopback_up
from labwright.lesson.plan import plan_lab
from labwright.lesson.read import read_lesson
from labwright.lesson.snapshot import take, unfit
from labwright.vm.accelerator import choose_accelerator


def prepare(lesson_dir: LessonFolder, images: Images = IMAGES, json_lines: Json = False) -> None:
    """Boot each image of a lesson once and keep its memory: from then on the lesson is up in seconds.

    Each machine that goes on from it gets keys, addresses and a machine-id of its own. A snapshot is for this image,
    this version of QEMU and this way of running it; where one of them is another, the image boots as before.
    """
    with session(json_lines, root=False) as running:
        lesson = read_lesson(lesson_dir)
        plan = plan_lab(lesson.spec, images_of(lesson, images.absolute()))
        if not in_new_network():
            enter_new([])
        loopback_up()
        emit, name = running.workshop.emit, lesson.spec.slug
        made, left = [], {}
        with workbench(running, name, "prepare") as bench:
            accelerator = choose_accelerator(bench)
            for image, data in dict.fromkeys((each.image.slug, each.data) for each in plan.machines):
                machine = next(each for each in plan.machines if (each.image.slug, each.data) == (image, data))
                if why := unfit(machine.image):
                    emit(Event("warning", name, text=f"{image} will boot: {why}"))
                    left[image] = why
                    continue
                text, started = f"Keep a snapshot of {image}", time.monotonic()
                emit(Event("step-started", name, "prepare", text))
                take(machine.image, data, accelerator, running.workshop.paths, bench)
                emit(Event("step-finished", name, "prepare", text, "ran", time.monotonic() - started))
                made.append(image)
        running.result(f"{name} is prepared: {', '.join(made) or 'nothing to keep'}", images=made, left=left)
