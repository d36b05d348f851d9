"""Whether a lesson, or a whole curriculum, is as its author means it: everything at once, nothing started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.lesson.finding import Finding
from labwright.lesson.limits import excesses
from labwright.lesson.read import Examined, examine_lesson, lesson_folder
from labwright.lesson.validate_configuration import select, undeclared
from labwright.lesson.validate_content import content_findings
from labwright.lesson.validate_curriculum import across, is_curriculum, lesson_folders, picture, surroundings
from labwright.spec import curriculum, lesson
from labwright.spec.document import Document


@dataclass(frozen=True)
class Report:
    """What was looked at, and what was found, sorted by path and line. The counts are of files that can be read."""

    place: Path
    lessons: int
    stages: int
    endpoints: int
    connections: int
    findings: tuple[Finding, ...]

    def count(self, level: str) -> int:
        """How many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def kinds(self) -> dict[str, int]:
        """How many findings are of each kind, most first."""
        return dict(Counter(f"{finding.level} {finding.kind}" for finding in self.findings).most_common())

    def passes(self, strict: bool = False) -> bool:
        """Whether nothing is wrong. strict: warnings count too."""
        return not (self.findings if strict else self.count("error"))


def validate(place: Path) -> Report:
    """What is wrong with a lesson's folder or a curriculum's. Raises LabwrightError (config) where it is neither."""
    if place.name == curriculum.FILE:
        place = place.parent
    folder = lesson_folder(place)
    if (folder / lesson.FILE).exists():
        examined = examine_lesson(folder)
        return _report(folder, (examined,), tuple(_inside(examined)))
    if is_curriculum(place):
        return _curriculum(place)
    raise LabwrightError(
        f"{place} is neither a lesson nor a curriculum",
        cause=Cause.CONFIG,
        hint=f"name a folder that holds {lesson.FILE}, {curriculum.FILE} or lessons/",
    )


def _curriculum(place: Path) -> Report:
    folders, strays = lesson_folders(place)
    examined = tuple(examine_lesson(folder) for folder in folders)
    around = surroundings(place)
    findings = [*strays, *around.findings]
    if not folders:
        hint = "is this the right folder, and all of it? Each lesson is a folder in lessons/"
        findings.append(Finding(place, 1, "warning", "folder", f"there is no {lesson.FILE} in its lessons/", hint))
    for one in examined:
        findings += _inside(one)
    unread = tuple(folder.name for folder, one in zip(folders, examined, strict=True) if one.lesson is None)
    findings += across(tuple(one.lesson for one in examined if one.lesson), unread, around)
    return _report(place, examined, tuple(findings))


def _inside(examined: Examined) -> Iterator[Finding]:
    """What a lesson's own folder shows."""
    yield from examined.findings
    if (one := examined.body) is not None:
        taken, findings = select(one)
        yield from findings
        yield from undeclared(one)
        yield from content_findings(one, taken)
        for excess in excesses(one.spec):
            yield one.finding(excess.place, "size", excess.what, excess.hint)
        yield from picture(Document(one.file, one.spec, one.lines), "diagram", one.spec.diagram)


def _report(place: Path, examined: tuple[Examined, ...], findings: tuple[Finding, ...]) -> Report:
    specs = [one.lesson.spec for one in examined if one.lesson]
    return Report(
        place,
        len(examined),
        sum(len(spec.stages) for spec in specs),
        sum(len(spec.endpoints) for spec in specs),
        sum(len(spec.connections) for spec in specs),
        tuple(sorted(set(findings))),
    )
