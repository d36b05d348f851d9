"""A step, its content key, and why it has to run."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labwright.interfaces import Workbench
from labwright.pipeline.store import Store, Stored, text_digest

Make = Callable[[Path, Mapping[str, Stored], Workbench], None]


MEGABYTE = 1_000_000
TRUSTED = 3
"""How many times the guess or the output a measurement may be."""


@dataclass(frozen=True)
class Needs:
    """What a step takes at its peak where it has never run here: megabytes of disk and of memory, and seconds."""

    disk: int = 100
    memory: int = 100
    seconds: int = 10


@dataclass(frozen=True)
class Step:
    """One named step. options: what it depends on, in words and values. inputs: the steps whose outputs it reads.

    make: writes the output files into the folder that it is given. needs: a guess for its first run. private: its
    output holds a secret, so that it is made anew for each build and is gone after it.
    """

    name: str
    title: str
    make: Make
    options: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    needs: Needs = Needs()
    private: bool = False

    def ingredients(self, done: Mapping[str, Stored]) -> dict[str, str]:
        """All that goes into the key: options by name, and the digest of each output that is read."""
        return dict(self.options) | {f"step {name}": done[name].digest for name in self.inputs}


def key_of(step: Step, ingredients: Mapping[str, str]) -> str:
    """The content key of a step."""
    pairs = (f"{name}={value}" for name, value in sorted(ingredients.items()))
    return text_digest(step.name, *pairs)[:32]


@dataclass(frozen=True)
class Planned:
    """What a step would do now. last: the costliest of its recent outputs, whatever went into them."""

    step: Step
    runs: bool
    why: str
    last: Stored | None = None
    stored: Stored | None = None

    @property
    def seconds(self) -> float:
        """How long it takes: as last time, or a guess."""
        return self.last.seconds if self.last else float(self.step.needs.seconds)

    @property
    def disk(self) -> int:
        """Bytes that it takes at its peak, its output included."""
        guess = self.step.needs.disk * MEGABYTE
        if self.last is None:
            return guess
        # What was measured is by how much the disk filled up, and that may have been somebody else.
        return min(max(self.last.disk or guess, self.last.size), TRUSTED * max(guess, self.last.size))

    @property
    def memory(self) -> int:
        """Bytes of memory that it takes at its peak."""
        return self.last.memory if self.last and self.last.memory else self.step.needs.memory * MEGABYTE

    @property
    def output(self) -> int:
        """Bytes of its output, which stays."""
        return self.last.size if self.last else self.step.needs.disk * MEGABYTE // 3


@dataclass(frozen=True)
class Estimate:
    """What is still to be done, taken together. known: whether every step that runs has run here before."""

    disk: int
    memory: int
    seconds: float
    known: bool
    hungriest: str


def estimate(planned: Sequence[Planned]) -> Estimate:
    """Disk: the outputs made so far stay while the next step is at its peak."""
    running = [step for step in planned if step.runs]
    disk = kept = 0
    for step in running:
        disk = max(disk, kept + step.disk)
        kept += step.output
    hungriest = max(running, key=lambda step: step.memory, default=None)
    return Estimate(
        disk=disk,
        memory=hungriest.memory if hungriest else 0,
        seconds=sum(step.seconds for step in running),
        known=all(step.last for step in running),
        hungriest=hungriest.step.name if hungriest else "",
    )


def until(steps: tuple[Step, ...], last: str) -> tuple[Step, ...]:
    """The steps that are needed for one of them, itself included, in their order."""
    needed = {last}
    for step in reversed(steps):
        if step.name in needed:
            needed.update(step.inputs)
    return tuple(step for step in steps if step.name in needed)


def plan(steps: tuple[Step, ...], store: Store, pinned: bool = True) -> list[Planned]:
    """What would run, and why. Reads the store and nothing else.

    pinned: whether what the mirrors give is known; if not, a step that asks a mirror counts as one that runs.
    """
    done: dict[str, Stored] = {}
    planned = []
    for step in steps:
        last, costly = store.newest(step.name), store.costliest(step.name)
        waiting = [name for name in step.inputs if name not in done]
        if waiting:
            planned.append(Planned(step, True, f"reads what the step {waiting[0]} will make", costly))
            continue
        ingredients = step.ingredients(done)
        found = store.find(step.name, key_of(step, ingredients)) if pinned else None
        if found:
            done[step.name] = found
            planned.append(Planned(step, False, "nothing that goes into it has changed", costly, found))
        else:
            planned.append(Planned(step, True, reason(ingredients, last), costly))
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


@functools.cache
def code_digest(*modules: str) -> str:
    """A digest of the source files of these packages: a driver that was changed makes its outputs anew."""
    parts = []
    for name in modules:
        place = Path(inspect.getfile(importlib.import_module(name)))
        if place.name != "__init__.py":
            parts.append(f"{place.name} {place.read_bytes().hex()}")
            continue
        files = (path for path in sorted(place.parent.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
        parts.extend(
            f"{path.relative_to(place.parent)} {os.access(path, os.X_OK)} {path.read_bytes().hex()}" for path in files
        )
    return text_digest(*parts)
