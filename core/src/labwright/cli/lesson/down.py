"""labwright lesson down."""

from __future__ import annotations

from labwright.cli.lesson.common import LessonFolder
from labwright.cli.session import Json, session
from labwright.errors import Cause, LabwrightError
from labwright.lesson.down import end_lab, end_unreadable
from labwright.lesson.lab import find_lab, folder_of


def down(lesson_dir: LessonFolder, json_lines: Json = False) -> None:
    """End a lesson's machines; what was written on their disks is thrown away."""
    with session(json_lines, root=False) as running:
        paths, ledger = running.workshop.paths, running.workshop.ledger
        try:
            lab = find_lab(lesson_dir, paths)
        except LabwrightError:
            folder = folder_of(lesson_dir, paths)
            end_unreadable(folder, ledger)
            running.result(f"{folder.name}, which another labwright started, is down", lab=folder.name)
            return
        if lab is None:
            raise LabwrightError(
                f"the lesson in {lesson_dir} is not up", cause=Cause.CONFIG, hint="labwright lesson status lists all"
            )
        end_lab(lab, ledger)
        running.result(f"{lab.name} is down", lab=lab.name)
