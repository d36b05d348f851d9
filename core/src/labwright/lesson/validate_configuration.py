"""Which file configures an endpoint in a stage, by the names in stageN/configs alone; and names that nearly would."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import LabwrightError
from labwright.lesson.finding import Finding
from labwright.lesson.likeness import Likeness
from labwright.lesson.limits import MOST_ENDPOINTS
from labwright.lesson.read import Lesson
from labwright.lesson.select import CONFIGS, candidates_for, present
from labwright.spec.lesson import CONFIGURATION_TYPES, NAPALM_DRIVERS, EndpointSpec

LIKE = 0.75
"""How alike a file's name and an endpoint's are, from 0 to 1, where one was probably meant to be the other."""

SHOWN = 4
"""Names that are said of those that were looked for."""
MOST_UNUSED = 500
"""Files of a stage that nothing takes and whose names are looked at."""


@dataclass(frozen=True)
class Taken:
    """A file that configures an endpoint. driver: NAPALM's, for napalm alone."""

    path: Path
    endpoint: EndpointSpec
    driver: str = ""


def names_tried(endpoint: EndpointSpec) -> tuple[str, ...]:
    """The names of files that would configure this endpoint; none where nothing does, or nothing that is installed."""
    try:
        return candidates_for(endpoint)
    except LabwrightError:
        return ()


def suffixes(endpoint: EndpointSpec) -> set[str]:
    """How the names of files that would configure it end, with the dot."""
    return {Path(name).suffix for name in names_tried(endpoint)}


def driver_of(name: str) -> str:
    """The NAPALM driver in a file's name: the last field of `<endpoint>-<driver>.txt`; empty where it is none."""
    stem, suffix = name[: -len(".txt")], name[-len(".txt") :]
    driver = stem.rpartition("-")[2]
    return driver if suffix == ".txt" and "-" in stem and driver in NAPALM_DRIVERS else ""


def files_of(folder: Path) -> tuple[str, ...]:
    """The names of the files directly in a stage's configs, sorted; none where there is no such folder."""
    try:
        return tuple(sorted(path.name for path in (folder / "configs").iterdir() if path.is_file()))
    except OSError:
        return ()


def select(lesson: Lesson) -> tuple[tuple[Taken, ...], tuple[Finding, ...]]:
    """The files that configure endpoints, over all stages, and what is wrong with the names there."""
    taken: list[Taken] = []
    findings, likeness = list(_drivers(lesson)), Likeness()
    for number in range(len(lesson.spec.stages)):
        folder = lesson.stage_folder(number)
        if not folder.is_dir():
            continue
        fitting: dict[str, list[Path]] = {}
        astray: set[str] = set()
        # Of a lesson that has more another finding says so.
        for index, endpoint in enumerate(lesson.spec.endpoints[:MOST_ENDPOINTS]):
            try:
                files = present(lesson.folder, names_tried(endpoint), number)
            except LabwrightError:
                # A link that leads astray, which is found among all files of the lesson.
                astray.update(names_tried(endpoint))
                continue
            fitting[endpoint.name] = files
            taken += [Taken(lesson.folder / file, endpoint, driver_of(file.name)) for file in files]
            if said := _miscounted(folder, endpoint, sorted(file.name for file in files), likeness):
                findings.append(lesson.finding(_place(index), "configuration", *said))
        used = astray.union(file.name for files in fitting.values() for file in files)
        unserved = {name for name, files in fitting.items() if not files}
        findings += _unused(folder, [name for name in files_of(folder) if name not in used], lesson, unserved, likeness)
    return tuple(taken), tuple(findings)


def _place(index: int) -> tuple[str | int, ...]:
    return ("endpoints", index, "configurationType")


def _drivers(lesson: Lesson) -> Iterator[Finding]:
    """Configuration types that no driver here has."""
    for index, endpoint in enumerate(lesson.spec.endpoints):
        try:
            candidates_for(endpoint)
        except LabwrightError as error:
            yield lesson.finding(_place(index), "configuration", error.what, error.hint)


def _miscounted(
    folder: Path, endpoint: EndpointSpec, names: Collection[str], likeness: Likeness
) -> tuple[str, str] | None:
    """What is wrong where other than one file configures an endpoint in a stage, and what to do."""
    if len(names) > 1:
        what = f"{folder.name}/{CONFIGS} has {len(names)} files for {endpoint.name}: {', '.join(names)}"
        return what, "leave the one of the device's own driver there"
    return None if names or not names_tried(endpoint) else _missing(folder, files_of(folder), endpoint, likeness)


def _missing(folder: Path, names: Collection[str], endpoint: EndpointSpec, likeness: Likeness) -> tuple[str, str]:
    """What is missing in a stage, and what to do."""
    place, name = f"{folder.name}/configs", endpoint.name
    if endpoint.configuration_type == "napalm":
        tried = f"{place}/{name}-DRIVER.txt, where DRIVER is one of {', '.join(sorted(NAPALM_DRIVERS))}"
    else:
        tried = " or ".join(f"{place}/{one}" for one in names_tried(endpoint)[:SHOWN])
    elsewhere = _elsewhere(folder, names_tried(endpoint))
    if elsewhere:
        remedy = f"move {folder.name}/{elsewhere} there"
    elif close := next(filter(None, (likeness.closest(one, names, LIKE) for one in names_tried(endpoint))), ""):
        remedy = f"is {place}/{close} meant for it? then rename it"
    else:
        remedy = "put it there, or leave configurationType out if nothing is to be configured"
    return f"nothing configures {name} in {folder.name}: there is no {tried}", remedy


def _elsewhere(folder: Path, tried: Collection[str]) -> str:
    """Where in the stage such a file is, but for the place where it would be found; empty if nowhere."""
    for pattern in ("*", "configs/*/*"):
        for path in sorted(folder.glob(pattern)):
            if path.name in tried and path.is_file():
                return path.relative_to(folder).as_posix()
    return ""


def _unused(
    folder: Path, names: Sequence[str], lesson: Lesson, unserved: Collection[str], likeness: Likeness
) -> Iterator[Finding]:
    for name in names[:MOST_UNUSED]:
        if said := _looks_like(name, lesson.spec.endpoints[:MOST_ENDPOINTS], unserved, likeness):
            yield Finding(folder / CONFIGS / name, 1, "warning", "unused", *said)


def _looks_like(
    name: str, endpoints: Collection[EndpointSpec], unserved: Collection[str], likeness: Likeness
) -> tuple[str, str] | None:
    """Why a file that no endpoint takes looks as if one should, and what to do; None where it does not.

    unserved: the endpoints that have no file here. What is called like an endpoint that has one may be data of its.
    """
    stem, dot, extension = name.rpartition(".")
    suffix, driver = dot + extension, driver_of(name)
    ends = {end for one in endpoints for end in suffixes(one)} | {
        end for kind in CONFIGURATION_TYPES for end in _ends(kind)
    }
    if suffix not in ends | {".yaml", ".conf"}:
        return None
    by_name = {endpoint.name: endpoint for endpoint in endpoints}
    for candidate in (stem, stem.rpartition("-")[0]):
        endpoint = by_name.get(candidate)
        if endpoint is None:
            continue
        likely = suffix in {".py", ".yml", ".yaml"} if endpoint.configuration_type is None else candidate in unserved
        if likely or driver or (suffix == ".py" and candidate == stem):
            return f"no endpoint takes this file, though one is called {candidate}", _renamed(endpoint, name, likeness)
        return None
    wanted = stem.rpartition("-")[0] if driver else stem
    alike = [one.name for one in endpoints if suffix in suffixes(one)]
    if close := likeness.closest(wanted, alike, 0.6 if driver else LIKE):
        best = likeness.closest(name, names_tried(by_name[close]), 0) or names_tried(by_name[close])[0]
        return f"no endpoint is called {wanted!r}: nothing takes this file; did you mean {best}?", "rename or remove it"
    if driver:
        return f"no endpoint is called {wanted!r}: nothing takes this file", "rename or remove it"
    return None


def _ends(kind: str) -> set[str]:
    return suffixes(EndpointSpec(name="any", image="any", configurationType=kind))


def _renamed(endpoint: EndpointSpec, name: str, likeness: Likeness) -> str:
    tried = names_tried(endpoint)
    if not tried:
        kind = next((kind for kind in CONFIGURATION_TYPES if Path(name).suffix in _ends(kind)), "")
        add = f"give {endpoint.name} configurationType: {kind}, or " if kind else ""
        return f"{add}remove the file: nothing configures {endpoint.name}"
    best = likeness.closest(name, tried, 0) or tried[0]
    return f"did you mean {best}? its configurationType is {endpoint.configuration_type}"


def undeclared(lesson: Lesson) -> Iterator[Finding]:
    """Folders of stages that lesson.meta.yaml does not have."""
    declared = len(lesson.spec.stages)
    for path in sorted(lesson.folder.glob("stage*")):
        number = re.fullmatch(r"stage([0-9]+)", path.name)
        if not number or not path.is_dir():
            continue
        if str(int(number[1])) != number[1] or int(number[1]) >= declared:
            yield lesson.finding(
                ("stages",),
                "undeclared-stage",
                f"there is a folder {path.name}, but the last stage is stage{declared - 1}",
                "add the stage, or remove the folder: learners never see it",
                warning=True,
            )
