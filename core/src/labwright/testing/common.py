"""The checks of every driver, whatever its interface. A docstring is the advice that is shown where a check fails."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from functools import partialmethod
from importlib import metadata
from pathlib import Path
from types import FunctionType

from labwright.host.text import plain
from labwright.plugins.entries import canonical, installed
from labwright.plugins.examine import STATUSES, check_version
from labwright.spec.image import SLUG
from labwright.testing.signatures import misfit
from labwright.testing.subject import DoubtfulError, Subject, UnmetError

NOT_FOR_PLUGINS = ("labwright.cli", "labwright.pipeline", "labwright.ui")
LONGEST_TITLE = 60
SLOW_IMPORT = 1.0
"""Seconds: `labwright plugins list` imports every driver there is."""
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*(\[[^\]]*\])?\s*\(?(?P<range>[^;)]*)\)?\s*(;(?P<marker>.*))?")


def check_name(subject: Subject) -> str:
    """The entry point's name is the image type, which an author writes as build.type: small letters, digits, dashes."""
    if not re.fullmatch(SLUG, subject.plugin.name):
        raise UnmetError(f"{subject.plugin.name!r} cannot be a build.type")
    return f"build.type: {subject.plugin.name}"


def check_interface(subject: Subject) -> str:
    """The entry point names a subclass of the interface that its group stands for, as package.module:Class."""
    wanted = subject.interface
    if not (isinstance(subject.driver, type) and issubclass(subject.driver, wanted)):
        raise UnmetError(f"{subject.plugin.entry} is not a subclass of labwright.interfaces.{wanted.__name__}")
    return f"a {wanted.__name__}"


def check_interface_version(subject: Subject) -> str:
    """The class says which version of the interfaces it was built for, and this labwright has the same."""
    check_version(getattr(subject.driver, "interface_version", None), subject.plugin.package)
    return f"interface {subject.driver.interface_version}"


def check_interface_version_is_written_down(subject: Subject) -> str:
    """Write the number of the interface as a literal into the class, as interface_version.

    The default is the number of whatever labwright is installed: with that alone an outdated driver is never noticed.
    """
    for owner in subject.driver.__mro__:
        if "interface_version" in vars(owner):
            if owner.__module__.partition(".")[0] == "labwright":
                raise DoubtfulError("the class takes whatever version is installed")
            return f"in {owner.__name__}"
    raise UnmetError("there is no interface_version")


def check_facts(subject: Subject) -> str:
    """The facts say a short title, the status, and what is not done yet in a sentence, where the status is not ready.

    `labwright plugins list` shows them to users, who go by them.
    """
    facts = subject.facts
    if facts.status not in STATUSES:
        raise UnmetError(f"the status is {facts.status!r}, not one of {', '.join(STATUSES)}")
    if not facts.title.strip() or len(facts.title) > LONGEST_TITLE or plain(facts.title) != facts.title:
        raise UnmetError(f"the title {plain(facts.title)!r} is not a line of 1 to {LONGEST_TITLE} characters")
    if facts.status != "ready" and not facts.limits.strip():
        raise UnmetError(f"the status is {facts.status}, and limits does not say what is lacking")
    return f"{facts.title}: {facts.status}"


def check_facts_are_frozen(subject: Subject) -> str:
    """Facts are shared by all builds of a process: a frozen dataclass that holds tuples, and no lists or sets."""
    facts = subject.facts
    try:
        facts.title = facts.title  # type: ignore[misc]
    except dataclasses.FrozenInstanceError:
        pass
    else:
        raise UnmetError(f"{type(facts).__name__} can be changed")
    soft = [field.name for field in dataclasses.fields(facts)
            if isinstance(getattr(facts, field.name), list | set)]  # fmt: skip
    if soft:
        raise UnmetError(f"these can be changed in place: {', '.join(soft)}")
    return type(facts).__name__


def check_methods_are_there(subject: Subject) -> str:
    """Every abstract method of the interface is implemented; a class that lacks one cannot be used at all."""
    missing = sorted(getattr(subject.driver, "__abstractmethods__", ()))
    if missing:
        raise UnmetError(f"does not implement {', '.join(missing)}")
    return ", ".join(sorted(getattr(subject.interface, "__abstractmethods__", ())))


def check_signatures(subject: Subject) -> str:
    """Methods take what the interface says, by the same names in the same order; what is more has a default."""
    wrong = []
    for name in sorted(_methods(subject.interface)):
        method = inspect.getattr_static(subject.driver, name, None)
        if not isinstance(method, FunctionType | staticmethod | classmethod | partialmethod):
            wrong.append(f"{name} is no method")
        elif found := misfit(getattr(subject.interface, name), method):
            wrong.append(f"{name} {found}")
    if wrong:
        raise UnmetError("; ".join(wrong))
    return "as in the interface"


def check_it_can_be_made(subject: Subject) -> str:
    """labwright makes a driver without arguments, and more than one in a process; it keeps nothing between builds."""
    first, second = subject.driver(), subject.driver()
    if first is second:
        raise DoubtfulError("all are one instance")
    return f"{subject.driver.__name__}()"


def check_imports_of_labwright(subject: Subject) -> str:
    """A plugin imports labwright.interfaces, the toolkits and labwright.host, never cli, pipeline or ui.

    Those change from version to version and may not even be there where a driver runs. Templates that only look like
    Python are better called otherwise than *.py: tools stumble over them.
    """
    wrong, unread = [], []
    for source in subject.sources():
        try:
            wrong += _forbidden(source, subject.folder)
        except (SyntaxError, ValueError):
            unread.append(_label(source, subject.folder))
    if wrong:
        raise UnmetError("; ".join(wrong[:5]))
    if unread:
        raise DoubtfulError(f"no Python: {', '.join(unread[:5])}")
    return f"{len(subject.sources())} files looked at"


def check_import_is_silent(subject: Subject) -> str:
    """Importing the module prints nothing: it would stand in the middle of a command's JSON.

    What goes to standard error, such as a warning of a library, does no harm but is read by every user of labwright.
    """
    output, errors = plain(subject.imported.output).strip(), plain(subject.imported.errors).strip()
    if output:
        raise UnmetError(f"importing it prints: {output[:200]}")
    if errors:
        raise DoubtfulError(f"importing it writes to standard error: {errors[:200]}")
    return "prints nothing"


def check_import_leaves_the_process_alone(subject: Subject) -> str:
    """Importing the module changes nothing that other plugins share: do that in the methods, and undo it there."""
    if subject.imported.changed:
        raise UnmetError(f"importing it changes {', '.join(subject.imported.changed)}")
    return "changes nothing"


def check_import_is_quick(subject: Subject) -> str:
    """Import what is large in the method that uses it: every command that looks for a driver imports all of them."""
    seconds = subject.imported.seconds
    if seconds > SLOW_IMPORT:
        raise DoubtfulError(f"importing it takes {seconds:.1f} s")
    return f"{seconds:.2f} s"


def check_types_are_published(subject: Subject) -> str:
    """Put an empty file py.typed into the package, so that its users' type checkers look into it (PEP 561)."""
    if not subject.folder.is_dir() or not (subject.folder / "py.typed").is_file():
        raise DoubtfulError("there is no py.typed")
    return "py.typed"


def check_dependency_is_bounded(subject: Subject) -> str:
    """The package depends on labwright with an upper bound (labwright>=0.1,<0.2), or on a plugin that does.

    Without it an update of labwright breaks the driver at its users' instead of being held back by pip.
    """
    try:
        lines = metadata.requires(subject.plugin.package) or []
    except metadata.PackageNotFoundError as error:
        raise DoubtfulError("the package does not say what it depends on") from error
    for line in lines:
        found = REQUIREMENT.match(line)
        if found is None or "extra" in (found["marker"] or ""):
            continue
        name = canonical(found["name"])
        if name == "labwright" and not re.search(r"<|==|~=", found["range"]):
            raise DoubtfulError(f"{plain(line)} has no upper bound")
        if name == "labwright" or name.startswith("labwright-"):
            return plain(line)
    raise DoubtfulError("the package does not depend on labwright")


def check_type_is_not_taken(subject: Subject) -> str:
    """Where two packages offer one type a user has to choose (LABWRIGHT_<TYPE>_PLUGIN): take a name of your own."""
    offering = {entry.package for entry in installed().group(subject.plugin.namespace)
                if entry.name == subject.plugin.name}  # fmt: skip
    others = sorted(offering - {subject.plugin.package})
    if others:
        raise DoubtfulError(f"also offered by {', '.join(others)}")
    return "no other package offers it"


def _methods(interface: type) -> list[str]:
    """What labwright calls: the abstract methods, and those that a driver may leave as they are."""
    return [name for name, value in vars(interface).items() if inspect.isfunction(value) and not name.startswith("_")]


def _label(source: Path, folder: Path) -> str:
    return str(source.relative_to(folder if folder.is_dir() else folder.parent))


def _forbidden(source: Path, folder: Path) -> list[str]:
    """The places in a file that import what is not for plugins."""
    tree = ast.parse(source.read_bytes(), str(source))
    label = _label(source, folder)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found += [f"{label}:{node.lineno} imports {taboo}" for taboo in NOT_FOR_PLUGINS
                  if any(name == taboo or name.startswith(f"{taboo}.") for name in names)]  # fmt: skip
    return found


COMMON = (
    check_name, check_interface, check_interface_version, check_interface_version_is_written_down, check_facts,
    check_facts_are_frozen, check_methods_are_there, check_signatures, check_it_can_be_made,
    check_imports_of_labwright, check_import_is_silent, check_import_leaves_the_process_alone, check_import_is_quick,
    check_types_are_published, check_dependency_is_bounded, check_type_is_not_taken,
)  # fmt: skip
