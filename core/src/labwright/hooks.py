"""All hook specifications: events and checks. Drivers are not hooks; see interfaces.py.

A package offers hooks by an entry point in the group `labwright.hooks` that names a module or an object:

    [project.entry-points."labwright.hooks"]
    my-checks = "my_package.checks"
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pluggy

from labwright.spec.image import ImageSpec

HOOKS = "labwright.hooks"
hookspec = pluggy.HookspecMarker("labwright")
hookimpl = pluggy.HookimplMarker("labwright")

EventKind = Literal[
    "build-started", "step-started", "progress", "warning", "step-finished", "step-failed", "build-finished"
]
Outcome = Literal["", "ran", "cached"]
Health = Literal["ready", "partial", "planned", "broken", "not chosen"]
CheckState = Literal["pass", "warning", "fail"]


@dataclass(frozen=True)
class Event:
    """Something that happened. seconds: how long it took. expected: how long it took last time, 0 if unknown."""

    kind: EventKind
    image: str
    step: str = ""
    text: str = ""
    outcome: Outcome = ""
    seconds: float = 0.0
    expected: float = 0.0
    index: int = 0
    count: int = 0


@dataclass(frozen=True)
class ImageReady:
    """A tested image in the output folder. report: the JSON file beside it."""

    spec: ImageSpec
    image: Path
    report: Path


@dataclass(frozen=True)
class NightFinished:
    """A night of the nightly build that came to its end. record, page: its night.json and its page.

    built: the slugs of images that are in service since this night. failed: of those that somebody has to look at.
    """

    number: int
    record: Path
    page: Path
    built: tuple[str, ...]
    failed: tuple[str, ...]


@dataclass(frozen=True)
class LintFinding:
    """What a check thinks of an image's description. An error stops the build before its first step."""

    level: Literal["warning", "error"]
    message: str
    remedy: str = ""
    fields: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Plugin:
    """One entry point: what it is for, where it comes from, whether it can be used and, if not, why.

    entry: its module:object. note: what is to be known of it; remedy: what to do about that. driver: the class, as far
    as it could be imported.
    """

    namespace: str
    name: str
    package: str
    version: str
    health: Health
    title: str = ""
    note: str = ""
    remedy: str = ""
    entry: str = ""
    driver: Any = None

    @property
    def interface(self) -> str:
        """The last word of the namespace: bootstrappers, provisioners or configurators."""
        return self.namespace.rpartition(".")[2]


@dataclass(frozen=True)
class CheckResult:
    """What a conformance check found in a driver. advice: what is expected and what to do where it is not so."""

    check: str
    state: CheckState
    found: str
    advice: str = ""

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.check}: {self.state}: {self.found}" + (f". {self.advice}" if self.state != "pass" else "")


class Hooks:
    """What a plugin may implement. Each implementation is called by itself: pluggy's wrappers are not taken."""

    @hookspec
    def labwright_event(self, event: Event) -> None:
        """Called for every event of a build, in order, from the process that builds.

        What it raises becomes one warning that names its package.
        """

    @hookspec
    def labwright_lint_image(self, spec: ImageSpec) -> list[LintFinding]:  # type: ignore[empty-body]
        """Check an image's description before anything runs. What it raises is an error that names its package."""

    @hookspec
    def labwright_image_ready(self, ready: ImageReady) -> None:
        """Called when an image has been built and has passed its tests. What it raises becomes a warning."""

    @hookspec
    def labwright_night_finished(self, night: NightFinished) -> None:
        """Called at the end of a night, for whoever sends word of it. What it raises becomes a warning."""

    @hookspec
    def labwright_check_driver(self, plugin: Plugin) -> list[CheckResult]:  # type: ignore[empty-body]
        """Check a driver that was imported, beside labwright's own checks; an empty list for one of no concern.

        For a package whose classes others subclass: `labwright plugins check` and the pytest fixtures ask it.
        """
