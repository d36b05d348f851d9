"""A name that a new type can have: it ends up in an entry point, a package, a module and a class."""

from __future__ import annotations

import importlib.util
import keyword
import re
from importlib import metadata

from labwright.errors import Cause, LabwrightError
from labwright.plugins.entries import canonical, installed
from labwright.plugins.examine import INTERFACES

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 32


def check_name(name: str) -> None:
    """Raise LabwrightError (config) for a name that is none, or that an installed package has, naming that package."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise LabwrightError(
            f"{name!r} cannot be the name of a type: small letters, digits and single dashes, a letter first, "
            f"at most {LONGEST} characters",
            cause=Cause.CONFIG,
            hint=f"try {suggestion(name)!r}",
        )
    if keyword.iskeyword(name):
        raise LabwrightError(
            f"{name!r} is a word of Python's own", cause=Cause.CONFIG, hint=f"try {name + '-os'!r}"
        )  # fmt: skip
    offered = installed()
    for entry in (entry for group in INTERFACES for entry in offered.group(group)):
        if entry.name == name:
            raise _taken(name, f"the type {name} is offered by the installed package {entry.package}", entry.package)
    package = f"labwright-{name}"
    if any(canonical(one) == package for one in _packages()):
        raise _taken(name, f"a package {package} is installed", package)
    module = module_of(name)
    if importlib.util.find_spec(module) is not None:
        raise _taken(name, f"there is a Python module {module} already", f"the package that brings {module}")


def module_of(name: str) -> str:
    """The module of a type's package."""
    return f"labwright_{name.replace('-', '_')}"


def class_of(name: str) -> str:
    """The first half of a class's name."""
    return "".join(part.capitalize() for part in name.split("-"))


def title_of(name: str) -> str:
    """The name for people."""
    return " ".join(part.capitalize() for part in name.split("-"))


def suggestion(name: str) -> str:
    """A name that would do, made of one that does not."""
    found = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:LONGEST].strip("-")
    return found or "acme"


def _taken(name: str, what: str, package: str) -> LabwrightError:
    return LabwrightError(
        what,
        cause=Cause.CONFIG,
        hint=f"take another name, such as {name}-lab, or uninstall {package} if yours is to stand in its place",
    )


def _packages() -> list[str]:
    """The names of installed packages, as far as their metadata can be read."""
    names = []
    for one in metadata.distributions():
        try:
            names.append(one.metadata["Name"] or "")
        except Exception:  # noqa: S112
            continue
    return names
