"""Whether what was delivered is still what a build would make: by the keys in its report, whatever the cache lost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labwright.errors import LabwrightError
from labwright.pipeline.base import base_of, inherited_privacy
from labwright.pipeline.build import Wish, course_of, from_delivered, is_disk, pins_for, plan_image, prepared
from labwright.pipeline.deliver import Built, places
from labwright.pipeline.preflight import lint
from labwright.pipeline.source import remembered_digest
from labwright.pipeline.stage1 import Recipe
from labwright.pipeline.steps import Estimate, Step, estimate, key_of, plan
from labwright.pipeline.workshop import Workshop, source_date_epoch
from labwright.spec.pins import Pins

NAMED = 3
"""How many packages a sentence names."""


@dataclass(frozen=True)
class Outlook:
    """What a build would change, in words, and what it would take.

    why: empty where what was delivered is just what a build would make.
    """

    why: str
    needed: Estimate

    @property
    def seconds(self) -> float:
        """That a build would take."""
        return self.needed.seconds

    @property
    def memory(self) -> int:
        """Bytes at its peak."""
        return self.needed.memory

    @property
    def disk(self) -> int:
        """Bytes at its peak."""
        return self.needed.disk


def outlook(wish: Wish, workshop: Workshop, delivered: Path | None) -> Outlook:
    """Ask the mirrors, and compare with what an earlier build delivered to a folder; None where none did.

    Raises LabwrightError as a build does before its first step.
    """
    workshop.paths.ensure()
    if wish.base:
        wish = from_delivered(wish, wish.base, workshop)
    else:
        wish = replace(wish, inherited=inherited_privacy(wish.spec, workshop))
    spec = wish.spec
    lint(spec, workshop)
    recipe = None
    if not is_disk(spec):
        driver, release = prepared(spec)
        pins = pins_for(wish, driver, release, workshop)
        recipe = Recipe(spec, driver, release, pins, source_date_epoch())
    course = course_of(wish, recipe, workshop)
    needed = estimate(plan(course.steps, workshop.store))
    if delivered is None:
        return Outlook("it was never built here", needed)
    report = report_of(spec.slug, delivered)
    why = _damage(report, places(spec, course, delivered), workshop) or changes(course.steps, report)
    # Nothing has to be made anew for that, and yet the report that others go by has to say it.
    if not why and any(report.get(key) != fact for key, fact in course.privacy.facts().items()):
        why = "changed whom it is for: build.visibility or the private files in it"
    if recipe and why:
        why = "; ".join(filter(None, (why, _packages(report, recipe.pins))))
    return Outlook(why, needed)


def expected(wish: Wish, workshop: Workshop) -> float:
    """Seconds that a build would take as far as is known without asking anybody; 0.0 where that cannot be said."""
    try:
        if wish.base is None and base_of(wish.spec) is not None:
            return 0.0
        return estimate(plan_image(wish, workshop)).seconds
    except LabwrightError:
        return 0.0


def report_of(slug: str, folder: Path) -> dict[str, Any]:
    """The report of a delivered image; empty where it cannot be read."""
    try:
        report = json.loads((folder / f"{slug}.json").read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}


def changes(steps: Sequence[Step], report: Mapping[str, Any]) -> str:
    """What differs between the steps of a build now and those in a report, in words; empty for nothing.

    A step whose inputs are themselves made anew is not looked at: nobody knows yet whether they come out the same.
    """
    last = report.get("steps")
    if not isinstance(last, dict):
        return "its report does not say how it was made"
    digests: dict[str, str] = {}
    found = []
    for step in steps:
        if any(name not in digests for name in step.inputs):
            continue
        ingredients = dict(step.options) | {f"step {name}": digests[name] for name in step.inputs}
        facts = last.get(step.name)
        if not isinstance(facts, dict):
            found.append(f"{step.name}: a new step")
        elif facts.get("key") == key_of(step, ingredients):
            digests[step.name] = str(facts.get("digest"))
        else:
            found.append(f"{step.name}: changed {_changed(ingredients, facts.get('inputs'))}")
    return "; ".join(found)


def _changed(ingredients: Mapping[str, str], before: object) -> str:
    old = before if isinstance(before, dict) else {}
    names = sorted(name for name in ingredients.keys() | old.keys() if ingredients.get(name) != old.get(name))
    return ", ".join(map(str, names)) or "its name"


def _damage(report: Mapping[str, Any], built: Built, workshop: Workshop) -> str:
    """Why the delivered files are not the ones of the report; empty where they are. Hashes are remembered."""
    if not report:
        return "its report cannot be read"
    others = report.get("disks")
    others = others if isinstance(others, dict) else {}
    wanted = [(built.image, report), *((place, others.get(name)) for name, place in built.more.items())]
    for place, facts in wanted:
        try:
            same = isinstance(facts, dict) and remembered_digest(place, workshop) == facts.get("sha256")
        except LabwrightError:
            same = False
        if not same:
            return f"{place.name} is not the disk of its report any more"
    gone = [path.name for path in (built.kernel, built.files) if path is not None and not path.exists()]
    return f"{gone[0]} is gone" if gone else ""


def _packages(report: Mapping[str, Any], pins: Pins) -> str:
    """The packages that have another version than at the last build, in words."""
    try:
        old = {str(one["name"]): str(one["version"]) for one in report["pins"]["packages"]}
    except (KeyError, TypeError):
        return ""
    new = {one.name: one.version for one in pins.packages}
    other = [f"{name} {new[name]}" for name in sorted(new) if name in old and new[name] != old[name]]
    other += [f"{name} is new" for name in sorted(new.keys() - old.keys())]
    other += [f"{name} is out" for name in sorted(old.keys() - new.keys())]
    if not other:
        return ""
    more = f" and {len(other) - NAMED} more" if len(other) > NAMED else ""
    return f"packages: {', '.join(other[:NAMED])}{more}"
