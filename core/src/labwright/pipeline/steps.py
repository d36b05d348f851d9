"""A step, its content key, and why it has to run."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labwright.interfaces import Workbench
from labwright.pipeline.store import Store, Stored, text_digest

Make = Callable[[Path, Mapping[str, Stored], Workbench], None]


@dataclass(frozen=True)
class Step:
    """One named step. options: what it depends on, in words and values. inputs: the steps whose outputs it reads.

    make: writes the output files into the folder that it is given.
    """

    name: str
    title: str
    make: Make
    options: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()

    def ingredients(self, done: Mapping[str, Stored]) -> dict[str, str]:
        """All that goes into the key: options by name, and the digest of each output that is read."""
        return dict(self.options) | {f"step {name}": done[name].digest for name in self.inputs}


def key_of(step: Step, ingredients: Mapping[str, str]) -> str:
    """The content key of a step."""
    pairs = (f"{name}={value}" for name, value in sorted(ingredients.items()))
    return text_digest(step.name, *pairs)[:32]


@dataclass(frozen=True)
class Planned:
    """What a step would do now. expected: seconds, from last time; 0 where it never ran."""

    step: Step
    runs: bool
    why: str
    expected: float
    stored: Stored | None = None


def plan(steps: tuple[Step, ...], store: Store, pinned: bool = True) -> list[Planned]:
    """What would run, and why. Reads the store and nothing else.

    pinned: whether what the mirrors give is known; if not, a step that asks a mirror counts as one that runs.
    """
    done: dict[str, Stored] = {}
    planned = []
    for step in steps:
        last = store.newest(step.name)
        expected = last.seconds if last else 0.0
        waiting = [name for name in step.inputs if name not in done]
        if waiting:
            planned.append(Planned(step, True, f"reads what the step {waiting[0]} will make", expected))
            continue
        ingredients = step.ingredients(done)
        found = store.find(step.name, key_of(step, ingredients)) if pinned else None
        if found:
            done[step.name] = found
            planned.append(Planned(step, False, "nothing that goes into it has changed", expected, found))
        else:
            planned.append(Planned(step, True, reason(ingredients, last), expected))
    return planned


def reason(ingredients: Mapping[str, str], last: Stored | None) -> str:
    """Why there is no stored output for these ingredients, in words."""
    if last is None:
        return "it has never run here"
    changed = sorted(
        name for name in ingredients.keys() | last.inputs.keys() if ingredients.get(name) != last.inputs.get(name)
    )
    if not changed:
        return "its stored output is gone"
    return "changed since it last ran: " + ", ".join(changed)


def code_digest(*modules: str) -> str:
    """A digest of the source files of these packages: a driver that was changed makes its outputs anew."""
    parts = []
    for name in modules:
        place = Path(inspect.getfile(importlib.import_module(name)))
        if place.name != "__init__.py":
            parts.append(f"{place.name} {place.read_bytes().hex()}")
            continue
        files = (path for path in sorted(place.parent.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
        parts.extend(f"{path.relative_to(place.parent)} {path.read_bytes().hex()}" for path in files)
    return text_digest(*parts)
