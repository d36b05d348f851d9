"""The review: what was asked for is there, what lessons need is there, and nothing else drives hardware."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.kernel.fragments import CATALOGUE, Option, fragment_folder

SYMBOL = re.compile(r"^\s*(?:menu)?config\s+([A-Za-z0-9_]+)\s*(?:#.*)?$")
PROMPT = re.compile(r"^\s+(?:(?:bool|tristate)\s+[\"']|prompt\s+[\"'])")


@dataclass(frozen=True)
class Catalogue:
    """review.toml. capabilities: name to the options that it takes. drivers: pattern of allowed symbols to a reason."""

    capabilities: Mapping[str, tuple[str, ...]]
    drivers: Mapping[str, str]


@dataclass(frozen=True)
class Lost:
    """A requested option that the configuration does not have as requested."""

    option: Option
    found: str


@dataclass(frozen=True)
class Capability:
    """Something that lessons need, and the options of it that are off."""

    name: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Review:
    """The result. drivers_checked: False without a source tree, since only that tells what a driver is."""

    lost: tuple[Lost, ...]
    capabilities: tuple[Capability, ...]
    strangers: tuple[str, ...]
    drivers_checked: bool

    @property
    def ok(self) -> bool:
        """Whether a kernel of this configuration may be built."""
        return not self.findings

    @property
    def findings(self) -> tuple[str, ...]:
        """Everything that is wrong, a sentence each."""
        return (
            *(
                f"{lost.option.place}: {lost.option.name}={lost.option.value} did not survive, it is {lost.found}: "
                "an option that it depends on is off, or this kernel has no such option"
                for lost in self.lost
            ),
            *(f"{found.name}: {', '.join(found.missing)} is off" for found in self.capabilities if found.missing),
            *(f"{name} drives hardware and is not on the list of allowed drivers" for name in self.strangers),
        )


@dataclass(frozen=True)
class Difference:
    """Two configurations compared; options that are off count as absent. changed: name to ours and theirs."""

    only_ours: Mapping[str, str]
    only_theirs: Mapping[str, str]
    changed: Mapping[str, tuple[str, str]]


def load_catalogue() -> Catalogue:
    """Read review.toml beside the fragments."""
    path = fragment_folder() / CATALOGUE
    try:
        data = tomllib.loads(path.read_text())
        capabilities = {str(name): tuple(options) for name, options in data["capabilities"].items()}
        return Catalogue(capabilities, {str(name): str(why) for name, why in data["drivers"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabwrightError(
            f"{path} cannot be used: {type(error).__name__}: {error}",
            cause=Cause.CONFIG,
            hint="it has a table [capabilities] of lists of options and a table [drivers] of reasons",
        ) from error


def review(
    config: Mapping[str, str], options: Sequence[Option], catalogue: Catalogue, drivers: frozenset[str] | None
) -> Review:
    """Review a configuration. drivers: the visible symbols of drivers/ (see driver_symbols), None if not known."""
    on = {name for name, value in config.items() if value in {"y", "m"}}
    strangers = sorted(
        name
        for name in on & {f"CONFIG_{symbol}" for symbol in drivers or ()}
        if not any(fnmatchcase(name.removeprefix("CONFIG_"), pattern) for pattern in catalogue.drivers)
    )
    return Review(
        lost=tuple(
            Lost(option, config.get(option.name, "not in this kernel"))
            for option in options
            if config.get(option.name, "n" if option.value == "n" else "") != option.value
        ),
        capabilities=tuple(
            Capability(name, tuple(f"CONFIG_{symbol}" for symbol in needed if f"CONFIG_{symbol}" not in on))
            for name, needed in catalogue.capabilities.items()
        ),
        strangers=tuple(strangers),
        drivers_checked=drivers is not None,
    )


def driver_symbols(tree: Path) -> frozenset[str]:
    """The symbols under drivers/ that a person can switch on: they have a prompt (kconfig-language, Menu attributes).

    A symbol without one only follows from others, and those are reviewed.
    """
    found: set[str] = set()
    for path in sorted((tree / "drivers").rglob("Kconfig*")):
        if path.is_file() and not path.is_symlink():
            found |= visible_symbols(path.read_text(errors="replace"))
    return frozenset(found)


def visible_symbols(text: str) -> set[str]:
    """The symbols of one Kconfig file that are switches and have a prompt."""
    found: set[str] = set()
    symbol = ""
    for line in text.splitlines():
        if start := SYMBOL.match(line):
            symbol = start[1]
        elif line and not line[0].isspace() and not line.startswith("#"):
            symbol = ""
        elif symbol and PROMPT.match(line):
            found.add(symbol)
    return found


def compare(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Difference:
    """What differs between two configurations."""
    mine = {name: value for name, value in ours.items() if value != "n"}
    other = {name: value for name, value in theirs.items() if value != "n"}
    return Difference(
        only_ours={name: value for name, value in sorted(mine.items()) if name not in other},
        only_theirs={name: value for name, value in sorted(other.items()) if name not in mine},
        changed={name: (mine[name], other[name]) for name in sorted(mine.keys() & other) if mine[name] != other[name]},
    )
