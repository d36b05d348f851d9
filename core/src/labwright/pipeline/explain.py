"""Why two builds differ, or why a step ran again: inputs first, then packages, then files, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labwright.disk.manifest import FILES, Described, describe, parse
from labwright.errors import Cause, LabwrightError
from labwright.pipeline.stage1 import PACKAGES
from labwright.pipeline.store import Store, Stored
from labwright.spec.pins import Pins

STEP_INPUT = "step "
STEP_NAME = re.compile(r"[a-z0-9-]+")
LARGEST_REPORT = 64 * 1024 * 1024
TARS = ("system.tar", "tree.tar")


@dataclass(frozen=True)
class Made:
    """One step of a build: the digest of its output, and all that went in."""

    digest: str
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class Subject:
    """One of the two things compared. steps: in the order in which they ran. What is None is not known of it.

    packages: version and hash by name.
    """

    name: str
    steps: Mapping[str, Made]
    packages: Mapping[str, tuple[str, str]] | None = None
    files: Mapping[str, Described] | None = None


@dataclass(frozen=True)
class Explained:
    """The differences in words. unknown: what could not be compared, and why."""

    same: bool
    inputs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    unknown: tuple[str, ...] = field(default=())


def explain(first: Subject, second: Subject) -> Explained:
    """Compare two builds, or two outputs of one step."""
    unknown = []
    packages: tuple[str, ...] = ()
    if first.packages is not None and second.packages is not None:
        packages = tuple(package_words(first.packages, second.packages))
    else:
        unknown.append("packages: one of the two does not say which it has")
    files: tuple[str, ...] = ()
    if first.files is not None and second.files is not None:
        files = tuple(file_words(first.files, second.files))
    else:
        unknown.append("files: the list of them (NAME.mtree beside the image) is not there for both")
    inputs = tuple(input_words(first, second))
    digests = [{name: made.digest for name, made in subject.steps.items()} for subject in (first, second)]
    return Explained(digests[0] == digests[1] and not files, inputs, packages, files, tuple(unknown))


def input_words(first: Subject, second: Subject) -> list[str]:
    """What went into one and not into the other, step by step. What follows from an earlier step says so."""
    said = []
    for name in (*first.steps, *(name for name in second.steps if name not in first.steps)):
        one, two = first.steps.get(name), second.steps.get(name)
        if one is None or two is None:
            said.append(f"{name}: only {first.name if one else second.name} has this step")
            continue
        changed = sorted(
            key for key in one.inputs.keys() | two.inputs.keys() if one.inputs.get(key) != two.inputs.get(key)
        )
        said += [f"{name}: {_input(key, one.inputs.get(key), two.inputs.get(key))}" for key in changed]
        if not changed and one.digest != two.digest:
            said.append(f"{name}: the same went in and something else came out: this step is not reproducible")
    return said


def _input(key: str, one: str | None, two: str | None) -> str:
    if key.startswith(STEP_INPUT):
        return f"follows from what {key.removeprefix(STEP_INPUT)} made"
    if one is None or two is None:
        return f"{key} goes in only {'now' if one is None else 'before'}: {_short(two or one or '')}"
    if len(one) >= 32 and len(one) == len(two) and " " not in one + two:
        return f"{key} changed"
    return f"{key}: {_short(one)} -> {_short(two)}"


def _short(text: str) -> str:
    if not text:
        return "nothing"
    return text if len(text) <= 120 else f"{text[:117]}..."


def package_words(
    first: Mapping[str, tuple[str, str]],
    second: Mapping[str, tuple[str, str]],
    alone: tuple[str, str] = ("is only in the first", "is only in the second"),
) -> list[str]:
    """Packages that are in one only, or in another version, or another file of the same version.

    first, second: version and hash by name. alone: what is said of a package that only the first or the second has.
    """
    said = []
    for name in sorted(first.keys() | second.keys()):
        one, two = first.get(name), second.get(name)
        if one is None or two is None:
            version = (one or two or ("", ""))[0]
            said.append(f"{name} {version} {alone[0] if one else alone[1]}")
        elif one[0] != two[0]:
            said.append(f"{name} {one[0]} -> {two[0]}")
        elif one != two:
            said.append(f"{name} {one[0]}: another file of the same version")
    return said


def file_words(first: Mapping[str, Described], second: Mapping[str, Described]) -> list[str]:
    """Files that are in one only, or differ, with what differs in them."""
    said = []
    for name in sorted(first.keys() | second.keys()):
        one, two = first.get(name), second.get(name)
        if one is None or two is None:
            said.append(f"{name}: only in the {'first' if one else 'second'}")
        elif one != two:
            said.append(f"{name}: {', '.join(_differences(one, two))}")
    return said


def _differences(one: Described, two: Described) -> list[str]:
    if one.kind != two.kind:
        return [f"type {one.kind} -> {two.kind}"]
    said = [
        f"{word} {before} -> {after}"
        for word, before, after in (
            ("mode", one.mode, two.mode),
            ("owner", one.owner, two.owner),
            ("target", one.target, two.target),
            ("attributes", one.attributes or "none", two.attributes or "none"),
            ("time", one.time, two.time),
        )
        if before != after
    ]
    if one.sha256 != two.sha256:
        said.append(f"content ({one.size} -> {two.size} bytes)" if one.size != two.size else "content (same size)")
    return said


def subject(text: str, store: Store) -> Subject:
    """What a user names: a report or an image with its report beside it, a step, or step/key of the store.

    Raises LabwrightError (config).
    """
    path = Path(text)
    if path.is_file():
        return _from_report(path)
    step, _, key = text.partition("/")
    outputs = store.outputs(step) if STEP_NAME.fullmatch(step) else []
    found = [stored for stored in outputs if stored.key.startswith(key)]
    if not found:
        raise LabwrightError(
            f"{text} is neither a file nor a step with an output in the store",
            cause=Cause.CONFIG,
            hint="name a report (out/NAME.json), an image beside its report, or a step (labwright cache list)",
        )
    return _from_store(found[-1], store)


def last_two(step: str, store: Store) -> tuple[Subject, Subject]:
    """The last two outputs of a step, the older one first. Raises LabwrightError (config) if there are not two."""
    found = store.outputs(step) if STEP_NAME.fullmatch(step) else []
    if len(found) < 2:
        raise LabwrightError(
            f"the store has {len(found)} outputs of the step {step}, so there is nothing to compare",
            cause=Cause.CONFIG,
            hint="name two reports, or two of what labwright cache list shows as step/key",
        )
    return _from_store(found[-2], store), _from_store(found[-1], store)


def _from_report(path: Path) -> Subject:
    report = path if path.suffix == ".json" else path.with_suffix(".json")
    try:
        if report.stat().st_size > LARGEST_REPORT:
            raise ValueError("it is larger than any report")
        facts: dict[str, Any] = json.loads(report.read_text())
        steps = {name: Made(made["digest"], made["inputs"]) for name, made in facts["steps"].items()}
        packages = _packages_in(facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ValidationError) as error:
        words = f"it has no {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise LabwrightError(
            f"{report} is not a report of a build: {words}",
            cause=Cause.CONFIG,
            hint="name the .json file that labwright build puts beside an image",
        ) from error
    return Subject(str(path), dict(sorted(steps.items(), key=lambda step: _order(step[0]))), packages,
                   _files(report.with_suffix(".mtree")))  # fmt: skip


def _packages_in(facts: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """What a disk of others says it has, or what was pinned."""
    if "packages" in facts:
        return {str(name): (str(version), "") for name, version in facts["packages"]}
    return Pins.model_validate_json(json.dumps(facts["pins"])).by_name()


def _order(step: str) -> int:
    order = ("kernel-source", "kernel", "kernel-package", "tree", "system", "disk", "base", "customize", "test")
    return order.index(step) if step in order else len(order)


def _files(path: Path) -> dict[str, Described] | None:
    try:
        return parse(path.read_text())
    except (OSError, ValueError):
        return None


def _from_store(stored: Stored, store: Store) -> Subject:
    """An output and, as far as the store still has them, those that it was made from."""
    by_digest = {one.digest: one for one in store.outputs()}
    chain: dict[str, Stored] = {}
    waiting = [stored]
    while waiting:
        one = waiting.pop()
        chain[one.step] = one
        upstream = (by_digest.get(value) for key, value in one.inputs.items() if key.startswith(STEP_INPUT))
        waiting += [found for found in upstream if found and found.step not in chain]
    steps = {name: Made(chain[name].digest, chain[name].inputs) for name in sorted(chain, key=_order)}
    return Subject(f"{stored.step}/{stored.key[:12]}", steps, _packages_of(chain), _files_of(stored, chain))


def _packages_of(chain: Mapping[str, Stored]) -> dict[str, tuple[str, str]] | None:
    try:
        facts = json.loads((chain["tree"].folder / PACKAGES).read_text())
        return {str(name): (str(version), str(digest)) for name, version, digest in facts}
    except (KeyError, OSError, ValueError, TypeError):
        return None


def _files_of(stored: Stored, chain: Mapping[str, Stored]) -> dict[str, Described] | None:
    holder = stored if stored.step in {"tree", "system"} else chain.get("system")
    if holder is None:
        return None
    if FILES in holder.files:
        return _files(holder.folder / FILES)
    tar = next((name for name in TARS if name in holder.files), None)
    return parse(describe(holder.folder / tar)) if tar else None
