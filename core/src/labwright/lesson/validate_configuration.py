"""Which file configures an endpoint in a stage, by the names in stageN/configs alone; and names that nearly would."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from labwright.lesson.finding import Finding
from labwright.lesson.read import Lesson
from labwright.spec.lesson import EndpointSpec

DRIVERS = ("eos", "frr", "ios", "iosxr", "iosxr_netconf", "junos", "nxos", "nxos_ssh")
"""NAPALM's own, and ours for FRR."""
SUFFIXES = {"python": ".py", "ansible": ".yml", "napalm": ".txt"}
LIKE = 0.75
"""How alike a file's name and an endpoint's are, from 0 to 1, where one was probably meant to be the other."""


@dataclass(frozen=True)
class Taken:
    """A file that configures an endpoint. driver: NAPALM's, for napalm alone."""

    path: Path
    endpoint: EndpointSpec
    driver: str = ""


def names_tried(endpoint: EndpointSpec) -> tuple[str, ...]:
    """The names of files that would configure this endpoint; none where nothing configures it."""
    if endpoint.configuration_type == "napalm":
        return tuple(f"{endpoint.name}-{driver}.txt" for driver in DRIVERS)
    if endpoint.configuration_type is None:
        return ()
    return (endpoint.name + SUFFIXES[endpoint.configuration_type],)


def fitting(names: Collection[str], endpoint: EndpointSpec) -> tuple[str, ...]:
    """The names among these that would configure the endpoint, sorted."""
    return tuple(sorted(set(names) & set(names_tried(endpoint))))


def driver_of(name: str) -> str:
    """The NAPALM driver in a file's name: the last field of `<endpoint>-<driver>.txt`; empty where it is none."""
    stem, suffix = name[: -len(".txt")], name[-len(".txt") :]
    driver = stem.rpartition("-")[2]
    return driver if suffix == ".txt" and "-" in stem and driver in DRIVERS else ""


def files_of(folder: Path) -> tuple[str, ...]:
    """The names of the files directly in a stage's configs, sorted; none where there is no such folder."""
    try:
        return tuple(sorted(path.name for path in (folder / "configs").iterdir() if path.is_file()))
    except OSError:
        return ()


def select(lesson: Lesson) -> tuple[tuple[Taken, ...], tuple[Finding, ...]]:
    """The files that configure endpoints, over all stages, and what is wrong with the names there."""
    taken: list[Taken] = []
    findings: list[Finding] = []
    for number in range(len(lesson.spec.stages)):
        folder = lesson.stage_folder(number)
        if not folder.is_dir():
            continue
        names = files_of(folder)
        for index, endpoint in enumerate(lesson.spec.endpoints):
            fit = fitting(names, endpoint)
            taken += [Taken(folder / "configs" / name, endpoint, driver_of(name)) for name in fit]
            place = ("endpoints", index, "configurationType")
            if len(fit) > 1:
                findings.append(
                    lesson.finding(
                        place,
                        "configuration",
                        f"{folder.name}/configs has {len(fit)} files for {endpoint.name}: {', '.join(fit)}",
                        "leave the one of the device's own driver there",
                    )
                )
            elif not fit and endpoint.configuration_type:
                said = _missing(folder, names, endpoint)
                findings.append(lesson.finding(place, "configuration", *said))
        used = {one.path.name for one in taken if one.path.parent.parent == folder}
        findings += _unused(folder, [name for name in names if name not in used], lesson.spec.endpoints)
    return tuple(taken), tuple(findings)


def _missing(folder: Path, names: Collection[str], endpoint: EndpointSpec) -> tuple[str, str]:
    """What is missing in a stage, and what to do."""
    place, name = f"{folder.name}/configs", endpoint.name
    if endpoint.configuration_type == "napalm":
        tried = f"{place}/{name}-DRIVER.txt, where DRIVER is one of {', '.join(DRIVERS)}"
    else:
        tried = f"{place}/{names_tried(endpoint)[0]}"
    elsewhere = _elsewhere(folder, names_tried(endpoint))
    close = [name for one in names_tried(endpoint) for name in difflib.get_close_matches(one, names, 1, LIKE)]
    if elsewhere:
        remedy = f"move {folder.name}/{elsewhere} there"
    elif close:
        remedy = f"is {place}/{close[0]} meant for it? then rename it"
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


def _unused(folder: Path, names: Collection[str], endpoints: Collection[EndpointSpec]) -> Iterator[Finding]:
    here = files_of(folder)
    unserved = {endpoint.name for endpoint in endpoints if not fitting(here, endpoint)}
    for name in names:
        if said := _looks_like(name, endpoints, unserved):
            yield Finding(folder / "configs" / name, 1, "warning", "unused", *said)


def _looks_like(name: str, endpoints: Collection[EndpointSpec], unserved: Collection[str]) -> tuple[str, str] | None:
    """Why a file that no endpoint takes looks as if one should, and what to do; None where it does not.

    unserved: the endpoints that have no file here. What is called like an endpoint that has one may be data of its.
    """
    stem, dot, extension = name.rpartition(".")
    suffix, driver = dot + extension, driver_of(name)
    if suffix not in {*SUFFIXES.values(), ".yaml", ".conf"}:
        return None
    by_name = {endpoint.name: endpoint for endpoint in endpoints}
    for candidate in (stem, stem.rpartition("-")[0]):
        endpoint = by_name.get(candidate)
        if endpoint is None:
            continue
        likely = suffix in {".py", ".yml", ".yaml"} if endpoint.configuration_type is None else candidate in unserved
        if likely or driver or (suffix == ".py" and candidate == stem):
            return f"no endpoint takes this file, though one is called {candidate}", _renamed(endpoint, name)
        return None
    wanted = stem.rpartition("-")[0] if driver else stem
    alike = [one.name for one in endpoints if SUFFIXES.get(one.configuration_type or "") == suffix]
    if close := difflib.get_close_matches(wanted, alike, 1, 0.6 if driver else LIKE):
        best = difflib.get_close_matches(name, names_tried(by_name[close[0]]), 1, 0)[0]
        return f"no endpoint is called {wanted!r}: nothing takes this file; did you mean {best}?", "rename or remove it"
    if driver:
        return f"no endpoint is called {wanted!r}: nothing takes this file", "rename or remove it"
    return None


def _renamed(endpoint: EndpointSpec, name: str) -> str:
    tried = names_tried(endpoint)
    if not tried:
        kind = next((kind for kind, suffix in SUFFIXES.items() if name.endswith(suffix)), "")
        add = f"give {endpoint.name} configurationType: {kind}, or " if kind else ""
        return f"{add}remove the file: nothing configures {endpoint.name}"
    best = difflib.get_close_matches(name, tried, 1, 0)[0]
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
