"""Which file configures an endpoint at a stage: by its exact name, directly in stageN/configs/, and only one."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Endpoint, LessonConfigurator
from labwright.plugins import configurator
from labwright.spec.lesson import EndpointSpec

CONFIGS = "configs"
VERIFY = "verify"


def stage_folder(stage: int, name: str) -> Path:
    """A folder of a stage, relative to the lesson."""
    return Path(f"stage{stage}") / name


@functools.cache
def _driver(kind: str) -> LessonConfigurator | LabwrightError:
    """Looked for once, found or not: a curriculum asks for every endpoint at every stage."""
    try:
        return configurator(kind)
    except LabwrightError as error:
        return error


def candidates_for(spec: EndpointSpec) -> tuple[str, ...]:
    """The names of files that would configure an endpoint, from its driver; none where nothing configures it.

    Raises LabwrightError (config, plugin): there is no such driver, or it cannot be used.
    """
    if spec.configuration_type is None:
        return ()
    driver = _driver(spec.configuration_type)
    if isinstance(driver, LabwrightError):
        raise driver
    return candidates_of(driver, Endpoint(spec.name, "", 0, "", ""))


def candidates_of(driver: LessonConfigurator, endpoint: Endpoint) -> tuple[str, ...]:
    """What a driver says that an endpoint's file may be called. Raises LabwrightError (plugin) where it raises."""
    try:
        return tuple(driver.candidates(endpoint))
    except Exception as error:
        raise LabwrightError(
            f"the plugin {type(driver).__name__} cannot say what configures {endpoint.name}: "
            f"{type(error).__name__}: {error}",
            cause=Cause.PLUGIN,
            hint="report this to its authors; labwright plugins check shows more",
        ) from error


def present(lesson: Path, candidates: Sequence[str], stage: int) -> list[Path]:
    """Which of the candidates are files of a stage, relative to the lesson, in their order. Raises as is_there."""
    folder = stage_folder(stage, CONFIGS)
    try:
        names = {place.name for place in (lesson / folder).iterdir()}
    except OSError:
        # Whatever it is, no file is to be had there.
        return []
    return [folder / name for name in candidates if name in names and is_there(lesson, folder / name)]


def file_for(lesson: Path, endpoint: str, candidates: Sequence[str], stage: int) -> Path:
    """The file that configures an endpoint, relative to the lesson. candidates: exact names, from its driver.

    Raises LabwrightError (config): none of them is there, more than one is, or one leads out of the lesson.
    """
    folder = stage_folder(stage, CONFIGS)
    tried = [folder / name for name in candidates]
    found = present(lesson, candidates, stage)
    if len(found) > 1:
        raise LabwrightError(
            f"stage {stage}: {len(found)} files would configure the endpoint {endpoint}: {', '.join(map(str, found))}",
            cause=Cause.CONFIG,
            hint="keep the one that is meant; the name of a NAPALM candidate says which driver it is for",
        )
    if not found:
        raise LabwrightError(
            f"stage {stage}: there is no configuration file for the endpoint {endpoint}",
            cause=Cause.CONFIG,
            details=[f"tried: {file}" for file in tried],
            hint=f"write one, in {folder} itself and with exactly that name; or remove the endpoint's "
            "configurationType, if nothing is to be configured",
        )
    return found[0]


def is_there(lesson: Path, file: Path) -> bool:
    """Whether a regular file of the lesson has this name. file: relative to it.

    Raises LabwrightError (config) where it, or a folder on the way to it, is a link that leads out of the lesson.
    """
    place = lesson / file
    try:
        inside = place.resolve().is_relative_to(lesson.resolve())
        there = place.is_file()
    except (OSError, RuntimeError) as error:
        # A name that is too long, or a link to itself.
        raise LabwrightError(
            f"{file} cannot be looked at: {getattr(error, 'strerror', None) or error}",
            cause=Cause.CONFIG,
            hint="put a file there; is it a link that leads to itself?",
        ) from error
    if not inside and (there or place.is_symlink()):
        raise LabwrightError(
            f"{file} is a link that leads out of the lesson",
            cause=Cause.CONFIG,
            hint="put the file itself there: a lesson has to work wherever it is",
        )
    return there


def scripts_in(lesson: Path, folder: Path) -> Iterable[Path]:
    """The Python scripts directly in a folder of the lesson, sorted, relative to it. Raises as is_there."""
    try:
        names = sorted(place.name for place in (lesson / folder).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    wanted = [name for name in names if name.endswith(".py") and not name.startswith((".", "_"))]
    return [folder / name for name in wanted if is_there(lesson, folder / name)]
