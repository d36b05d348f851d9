"""Reads a lesson's folder: lesson.meta.yaml, and whether what it describes can be launched at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.lesson.finding import Finding, of_reading
from labwright.lesson.likeness import Likeness
from labwright.spec.document import Document, Location, examine_document
from labwright.spec.lesson import ENDPOINT_NAME, FILE, LessonBody, LessonSpec, Stage

GUIDES = {"markdown": "guide.md", "jupyter": "guide.ipynb"}
"""The file of each type of guide."""
HELP = "docs/lesson-files.md lists the keys; `labwright schema --of lesson` prints a schema for your editor"


@dataclass(frozen=True)
class Lesson:
    """A lesson that was read. lines: the line of every place in its lesson.meta.yaml."""

    folder: Path
    spec: LessonSpec
    lines: Mapping[Location, int]

    @property
    def file(self) -> Path:
        """Its lesson.meta.yaml."""
        return self.folder / FILE

    def stage_folder(self, number: int) -> Path:
        """Where the files of a stage are; stages count from 0."""
        return self.folder / f"stage{number}"

    def finding(self, place: Location, kind: str, message: str, remedy: str, *, warning: bool = False) -> Finding:
        """Something about a place in lesson.meta.yaml."""
        line = Document(self.file, self.spec, self.lines).line(place)
        return Finding(self.file, line, "warning" if warning else "error", kind, message, remedy)


@dataclass(frozen=True)
class Examined:
    """What a lesson's folder holds. lesson: None where lesson.meta.yaml cannot be used.

    body: the lesson, or what can be looked at of one that cannot be used: its endpoints, connections and stages.
    """

    lesson: Lesson | None
    body: Lesson | None
    findings: tuple[Finding, ...]


def read_lesson(folder: Path) -> Lesson:
    """The lesson in a folder (or of its lesson.meta.yaml). Raises LabwrightError (config) with all that is wrong."""
    examined = examine_lesson(lesson_folder(folder).resolve())
    errors = [finding for finding in examined.findings if finding.level == "error"]
    if examined.lesson is None or errors:
        raise LabwrightError(
            errors[0].sentence,
            cause=Cause.CONFIG,
            details=[finding.sentence for finding in errors[1:]],
            hint=errors[0].remedy,
            facts={"findings": [asdict(finding) | {"path": str(finding.path)} for finding in errors]},
        )
    return examined.lesson


def lesson_folder(place: Path) -> Path:
    """The folder of a lesson, from what a user names: the folder or the lesson.meta.yaml in it."""
    return place.parent if place.name == FILE else place


def examine_lesson(folder: Path) -> Examined:
    """The same with everything as data, sorted. Raises nothing for what the folder holds."""
    absent = f"name a folder that holds {FILE}"
    reading = examine_document(folder / FILE, LessonSpec, absent=absent, help_=HELP)
    findings = list(of_reading(reading))
    document = reading.document
    lesson = Lesson(folder, document.value, document.lines) if document else None
    body = lesson or _body(folder)
    if body is not None:
        findings += [*_endpoints(body), *_connections(body), *_stages(body)]
    return Examined(lesson, body, tuple(sorted(findings)))


def _body(folder: Path) -> Lesson | None:
    """What runs of a lesson about which something wrong is said, so that its other mistakes come at once too."""
    document = examine_document(folder / FILE, LessonBody, absent="", help_=HELP).document
    if document is None:
        return None
    return Lesson(folder, LessonSpec.model_construct(**dict(document.value)), document.lines)


def _endpoints(lesson: Lesson) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, endpoint in enumerate(lesson.spec.endpoints):
        name, place = endpoint.name, ("endpoints", index, "name")
        if name in seen:
            yield lesson.finding(
                place, "endpoint", f"two endpoints are called {name!r}", "give each a name of its own: DNS finds them"
            )
        seen.add(name)
        if not ENDPOINT_NAME.fullmatch(name):
            yield lesson.finding(
                place,
                "endpoint",
                f"{name!r} cannot be an endpoint's name",
                "a name in DNS has a to z, digits and inner hyphens, 63 at most",
            )
        if not endpoint.ports:
            yield lesson.finding(
                place,
                "endpoint",
                f"nobody can reach {name}: it has neither presentations nor additionalPorts",
                "add a presentation for learners, or additionalPorts for other endpoints",
            )
        tabs = Counter(presentation.name for presentation in endpoint.presentations)
        for tab in sorted(tab for tab, count in tabs.items() if count > 1):
            yield lesson.finding(
                ("endpoints", index, "presentations"),
                "endpoint",
                f"two presentations of {name} are called {tab!r}",
                "learners see two tabs that read the same: give each a name of its own",
                warning=True,
            )


def _connections(lesson: Lesson) -> Iterator[Finding]:
    names, likeness = {endpoint.name: None for endpoint in lesson.spec.endpoints}, Likeness()
    for index, connection in enumerate(lesson.spec.connections):
        for end, name in (("a", connection.a), ("b", connection.b)):
            if name not in names:
                yield lesson.finding(
                    ("connections", index, end),
                    "connection",
                    f"no endpoint is called {name!r}{likeness.meant(name, names)}",
                    "name an endpoint of this lesson",
                )
        if connection.a == connection.b:
            yield lesson.finding(
                ("connections", index), "connection", f"{connection.a} is connected to itself", "name two endpoints"
            )


def _stages(lesson: Lesson) -> Iterator[Finding]:
    for number, stage in enumerate(lesson.spec.stages):
        folder = lesson.stage_folder(number)
        if not folder.is_dir():
            yield lesson.finding(
                ("stages", number),
                "stage",
                f"there is no folder {folder.name} for this stage",
                f"make it, with {GUIDES[stage.guide_type]} in it; stages count from 0",
            )
        elif not (folder / GUIDES[stage.guide_type]).is_file():
            yield _no_guide(lesson, number, stage, folder)


def _no_guide(lesson: Lesson, number: int, stage: Stage, folder: Path) -> Finding:
    wanted = GUIDES[stage.guide_type]
    others = [(kind, file) for kind, file in GUIDES.items() if file != wanted and (folder / file).is_file()]
    message, remedy = f"there is no {folder.name}/{wanted}", "write it"
    for kind, file in others:
        message += f", which guideType {stage.guide_type} means; there is {file}"
        remedy = f"write guideType: {kind}, or turn the file into {wanted}"
    return lesson.finding(("stages", number, "guideType"), "guide", message, remedy)
