"""Calling the hooks of installed packages one by one: one that fails is named, and keeps no other from its turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pluggy

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event, ImageReady, LintFinding, NightFinished
from labwright.plugins.entries import Entry
from labwright.plugins.load import first_line
from labwright.spec.image import ImageSpec

BETWEEN = ":"
Found = TypeVar("Found")


@dataclass(frozen=True)
class Answer:
    """What a hook gave, or, where it failed, how. package: whose it is."""

    package: str
    said: Any = None
    failed: str = ""


def registered_as(entry: Entry) -> str:
    """The name of a package's hooks in the manager. One without the colon is that of listeners of our own."""
    return f"{entry.package}{BETWEEN}{entry.name} = {entry.point.value}"


def ask(hook: pluggy.HookCaller, **given: Any) -> Iterator[Answer]:
    """Call each; in pluggy's order, the last that was registered first. Only listeners of our own may raise."""
    for one in reversed(hook.get_hookimpls()):
        package, colon, _ = one.plugin_name.partition(BETWEEN)
        arguments = [given[name] for name in one.argnames]
        if not colon:
            yield Answer(package, one.function(*arguments))
            continue
        try:
            answer = Answer(package, one.function(*arguments))
        except (Exception, SystemExit) as error:
            answer = Answer(package, failed=first_line(error))
        yield answer


def tell(hooks: pluggy.PluginManager, event: Event, warned: set[str]) -> None:
    """An event, to everybody. What fails at it is warned of once; warned: the packages for which that was done."""
    failed = [answer for answer in ask(hooks.hook.labwright_event, event=event) if answer.failed]
    warn(hooks, event.image, "events", failed, warned)


def tell_ready(hooks: pluggy.PluginManager, ready: ImageReady, warned: set[str]) -> None:
    """The same of an image that is there: it stays, whatever fails at it."""
    failed = [answer for answer in ask(hooks.hook.labwright_image_ready, ready=ready) if answer.failed]
    warn(hooks, ready.spec.slug, "finished images", failed, warned)


def tell_night(hooks: pluggy.PluginManager, night: NightFinished, warned: set[str]) -> None:
    """The same of a night that is over."""
    failed = [answer for answer in ask(hooks.hook.labwright_night_finished, night=night) if answer.failed]
    warn(hooks, "", "finished nights", failed, warned)


def warn(hooks: pluggy.PluginManager, image: str, of: str, failed: Sequence[Answer], warned: set[str]) -> None:
    """Say which packages failed, once each."""
    for answer in failed:
        said = f"the hook of {answer.package} for {of} fails"
        if said not in warned:
            warned.add(said)
            tell(hooks, Event("warning", image, text=f"{said}: {answer.failed}"), warned)


def lint(hooks: pluggy.PluginManager, spec: ImageSpec) -> list[LintFinding]:
    """What all checks find in an image's description. Raises LabwrightError (plugin) for a check that fails itself."""
    found: list[LintFinding] = []
    for answer in ask(hooks.hook.labwright_lint_image, spec=spec):
        # None is nothing found, as pluggy has it.
        said, wrong = listed(replace(answer, said=answer.said or ()), LintFinding)
        if wrong:
            raise LabwrightError(
                f"the check of image descriptions that {answer.package} brings fails: {wrong}",
                cause=Cause.PLUGIN,
                hint=f"report it to the authors of {answer.package}; pip uninstall {answer.package} builds without it",
            )
        found += said
    return found


def listed(answer: Answer, kind: type[Found]) -> tuple[list[Found], str]:
    """What a hook found, and what is wrong where that is no list of what it has to be."""
    if answer.failed:
        return [], answer.failed
    try:
        said = list(answer.said)
    except Exception as error:
        return [], first_line(error)
    wrong = [type(one).__name__ for one in said if not isinstance(one, kind)]
    return ([], f"TypeError: its list has a {wrong[0]}, no {kind.__name__}") if wrong else (said, "")
