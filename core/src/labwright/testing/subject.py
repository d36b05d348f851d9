"""What a check looks at: a driver, where its code is, and what its module does when a fresh Python imports it."""

from __future__ import annotations

import inspect
import json
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from labwright.hooks import Plugin
from labwright.interfaces import DriverFacts, Workbench
from labwright.plugins.examine import INTERFACES, facts_name

PROBE = Path(__file__).with_name("probe.py")
LONGEST_IMPORT = 60


class UnmetError(Exception):
    """A check found that a driver does not keep to the interface; the text says how."""


class DoubtfulError(Exception):
    """A check found something that works and should be otherwise; the text says what."""


@dataclass(frozen=True)
class Imported:
    """What importing a module did. seconds: of the module alone; changed: what of the process is not as before.

    output, errors: what it wrote to its standard output and standard error.
    """

    seconds: float
    changed: tuple[str, ...]
    output: str
    errors: str


@dataclass(frozen=True)
class Subject:
    """A plugin whose driver was imported, and a workbench to try it with."""

    plugin: Plugin
    bench: Workbench

    @property
    def driver(self) -> Any:
        """The class."""
        return self.plugin.driver

    @property
    def interface(self) -> type:
        """The class that it implements."""
        return INTERFACES[self.plugin.namespace]

    @property
    def facts(self) -> DriverFacts:
        """What it says of itself. Raises UnmetError where it says nothing."""
        facts = getattr(self.driver, facts_name(self.plugin.namespace), None)
        if not isinstance(facts, DriverFacts):
            raise UnmetError(f"{facts_name(self.plugin.namespace)} is {type(facts).__name__}")
        return facts

    @property
    def module(self) -> str:
        """The module that its entry point names, which is what labwright imports; the class may be from elsewhere."""
        return EntryPoint("", self.plugin.entry, "").module

    @cached_property
    def folder(self) -> Path:
        """Its package's folder, or its module where that is all there is. Raises UnmetError."""
        place = getattr(sys.modules.get(self.module.partition(".")[0]), "__file__", None)
        path = Path(place or inspect.getfile(self.driver))
        return path.parent if path.name == "__init__.py" else path

    def sources(self) -> list[Path]:
        """Its Python files, sorted."""
        return sorted(self.folder.rglob("*.py")) if self.folder.is_dir() else [self.folder]

    @cached_property
    def imported(self) -> Imported:
        """Its module, imported by a Python of its own. Raises LabwrightError where that does not end well."""
        result = self.bench.scratch / "imported.json"
        asked = {"path": sys.path, "module": self.module, "result": str(result)}
        done = self.bench.run(
            # -P: beside the probe are modules of ours, whose names must not stand in for others'.
            [sys.executable, "-P", PROBE],
            cwd=self.bench.scratch,
            stdin=json.dumps(asked),
            timeout=LONGEST_IMPORT,
            what=f"{self.module} cannot be imported by a Python of its own",
        )
        found = json.loads(result.read_text())
        return Imported(found["seconds"], tuple(found["changed"]), done.output, done.errors)
