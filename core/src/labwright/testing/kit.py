"""Runs the checks, and turns what they find into results."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.hooks import CheckResult, Plugin
from labwright.host.text import plain
from labwright.interfaces import BOOTSTRAPPERS, CONFIGURATORS, PROVISIONERS, Workbench
from labwright.plugins import INTERFACES, discover, hook_manager
from labwright.plugins.calls import ask, listed
from labwright.plugins.choice import variable
from labwright.plugins.examine import UnfitError
from labwright.plugins.load import first_line
from labwright.testing.bench import workbench
from labwright.testing.common import COMMON
from labwright.testing.stages import BOOTSTRAPPER, CONFIGURATOR, PROVISIONER
from labwright.testing.subject import DoubtfulError, Subject, UnmetError

Check = Callable[[Subject], str]
OWN: dict[str, tuple[Check, ...]] = {
    BOOTSTRAPPERS: BOOTSTRAPPER, PROVISIONERS: PROVISIONER, CONFIGURATORS: CONFIGURATOR,
}  # fmt: skip
LOADS = "loads"
LOADS_ADVICE = "The entry point names a class that can be imported, with everything that it imports."
GROUPS = {namespace.rpartition(".")[2]: namespace for namespace in INTERFACES}
"""Entry point groups by the word that users write."""


def claims(name: str, interface: str = "") -> list[Plugin]:
    """The plugins that offer a type, of one interface (bootstrappers, provisioners, configurators) or of all.

    Raises LabwrightError (config) where there is none.
    """
    if interface and interface not in GROUPS:
        raise LabwrightError(
            f"there is no interface {interface!r}", cause=Cause.CONFIG, hint=f"it is one of: {', '.join(GROUPS)}"
        )
    plugins = [one for namespace in ([GROUPS[interface]] if interface else INTERFACES) for one in discover(namespace)]
    found = [plugin for plugin in plugins if plugin.name == name]
    if not found:
        known = ", ".join(sorted({plugin.name for plugin in plugins})) or "none"
        raise LabwrightError(
            f"no installed package offers the type {name!r}" + (f" among the {interface}" if interface else ""),
            cause=Cause.CONFIG,
            hint=f"installed types: {known}. A package under way is installed by: pip install --editable FOLDER",
        )
    return found


def claim(name: str, interface: str) -> Plugin:
    """The plugin of a type that is used, or would be if it were not broken: of two packages the one that was chosen.

    Raises LabwrightError (config) where there is none, or more than one and no choice.
    """
    found = [plugin for plugin in claims(name, interface) if plugin.health != "not chosen"]
    if len(found) > 1:
        packages = sorted({plugin.package for plugin in found})
        raise LabwrightError(
            f"which {name} of the {interface} is meant: {', '.join(f'{one.entry} of {one.package}' for one in found)}",
            cause=Cause.CONFIG,
            hint=f"set {variable(name)} to one of: {', '.join(packages)}; or uninstall the others"
            if len(packages) > 1
            else f"one package offers it more than once: mend the entry points of {packages[0]}",
        )
    return found[0]


def checks_of(namespace: str) -> tuple[Check, ...]:
    """The checks of a driver of one entry point group, in the order in which they are run."""
    return (*COMMON, *OWN[namespace])


def check_driver(plugin: Plugin, bench: Workbench) -> list[CheckResult]:
    """Everything that labwright and the installed packages' own checks find in a driver. Raises nothing for it."""
    loaded = loads(plugin)
    if loaded.state == "fail":
        return [loaded]
    subject = Subject(plugin, bench)
    return [loaded, *(run_check(check, subject) for check in checks_of(plugin.namespace)), *others(plugin)]


def loads(plugin: Plugin) -> CheckResult:
    """Whether there is a class to look at."""
    if plugin.driver is None:
        return CheckResult(LOADS, "fail", plugin.note, f"{LOADS_ADVICE} {plugin.remedy}".strip())
    return CheckResult(LOADS, "pass", plugin.entry, LOADS_ADVICE)


def run_check(check: Check, subject: Subject) -> CheckResult:
    """One check; what it raises is what it found."""
    name, advice = check_name(check), " ".join((check.__doc__ or "").split())
    try:
        return CheckResult(name, "pass", check(subject), advice)
    except DoubtfulError as error:
        return CheckResult(name, "warning", str(error), advice)
    except UnmetError as error:
        return CheckResult(name, "fail", str(error), advice)
    except UnfitError as error:
        return CheckResult(name, "fail", str(error), f"{advice} {error.remedy}")
    except LabwrightError as error:
        said = "; ".join(plain(line) for line in error.details[-2:])
        return CheckResult(name, "fail", f"{error.what}: {said}" if said else error.what, f"{advice} {error.hint}")
    except Exception as error:
        return CheckResult(name, "fail", f"the driver raises {first_line(error)}", advice)


def others(plugin: Plugin) -> list[CheckResult]:
    """What the checks of installed packages find; one that fails itself is a failed check."""
    manager, _ = hook_manager()
    found: list[CheckResult] = []
    for answer in ask(manager.hook.labwright_check_driver, plugin=plugin):
        said, wrong = listed(answer, CheckResult)
        found += said
        if wrong:
            advice = "The package that brings these checks is at fault: report it to its authors."
            found.append(CheckResult(f"checks of {answer.package}", "fail", f"they raise {wrong}", advice))
    return found


def assert_conforms(interface: str, name: str) -> None:
    """Raise AssertionError with all that is amiss, for tests. interface: bootstrappers, provisioners, configurators.

    Raises LabwrightError (config) where no installed package offers the type, or more than one and none was chosen.
    """
    plugin = claim(name, interface)
    with tempfile.TemporaryDirectory(prefix="labwright-") as folder:
        wrong = [str(result) for result in check_driver(plugin, workbench(Path(folder))) if result.state == "fail"]
    if wrong:
        raise AssertionError("\n".join([f"{name} of {plugin.package} does not conform:", *wrong]))


def check_name(check: Check) -> str:
    """A check's name for people."""
    return check.__name__.removeprefix("check_").replace("_", " ")
