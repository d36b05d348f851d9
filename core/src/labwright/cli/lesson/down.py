"""labwright lesson down."""

from __future__ import annotations

from labwright.cli.lesson.common import LessonFolder
from labwright.cli.session import Json, session
from labwright.errors import Cause, LabwrightError
from labwright.lesson.down import end_lab
from labwright.lesson.lab import find_lab


def down(lesson_dir: LessonFolder, json_lines: Json = False) -> None:
    """End a lesson's machines; what was written on their disks is thrown away."""
    with session(json_lines, root=False) as running:
        lab = find_lab(lesson_dir, running.workshop.paths)
        if lab is None:
            raise LabwrightError(
                f"the lesson in {lesson_dir} is not up", cause=Cause.CONFIG, hint="labwright lesson status lists all"
            )
        end_lab(lab, running.workshop.ledger)
        running.result(f"{lab.name} is down", lab=lab.name)
