"""Whether a class that was imported can be used as a driver."""

from __future__ import annotations

from typing import Any, get_args

from labwright.hooks import Plugin
from labwright.interfaces import (
    BOOTSTRAPPERS,
    CONFIGURATORS,
    INTERFACE_VERSION,
    PROVISIONERS,
    Bootstrapper,
    Distribution,
    DriverFacts,
    LessonConfigurator,
    Provisioner,
    Status,
)
from labwright.plugins.entries import Entry
from labwright.plugins.load import broken, first_line

INTERFACES: dict[str, type] = {
    BOOTSTRAPPERS: Bootstrapper,
    PROVISIONERS: Provisioner,
    CONFIGURATORS: LessonConfigurator,
}
STATUSES = get_args(Status)


class UnfitError(Exception):
    """A class that is no driver for this labwright. remedy: what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


def examine(namespace: str, entry: Entry, driver: Any) -> Plugin:
    """The plugin with its health; whatever its class does when it is looked at."""
    try:
        facts = check(namespace, entry, driver)
    except UnfitError as error:
        return broken(namespace, entry, str(error), error.remedy, driver)
    except Exception as error:
        return broken(namespace, entry, f"cannot be looked at: {first_line(error)}", _report(entry), driver)
    return Plugin(
        namespace, entry.name, entry.package, entry.version, facts.status,
        title=facts.title, note=facts.limits, entry=entry.point.value, driver=driver,
    )  # fmt: skip


def check(namespace: str, entry: Entry, driver: Any) -> DriverFacts:
    """The facts of a driver. Raises UnfitError."""
    wanted = INTERFACES[namespace]
    if not (isinstance(driver, type) and issubclass(driver, wanted)):
        raise UnfitError(
            f"{entry.point.value} is not a subclass of labwright.interfaces.{wanted.__name__}", _report(entry)
        )
    check_version(getattr(driver, "interface_version", None), entry.package)
    missing = sorted(getattr(driver, "__abstractmethods__", ()))
    if missing:
        raise UnfitError(f"does not implement {', '.join(missing)}", _report(entry))
    facts = getattr(driver, facts_name(namespace), None)
    if not isinstance(facts, Distribution if namespace == BOOTSTRAPPERS else DriverFacts):
        raise UnfitError(f"does not say its {facts_name(namespace)}", _report(entry))
    if facts.status not in STATUSES or not isinstance(facts.title, str) or not isinstance(facts.limits, str):
        raise UnfitError(
            f"its title and limits are texts, its status one of {', '.join(STATUSES)}; it says {facts.status!r}",
            _report(entry),
        )
    return facts


def check_version(built_for: object, package: str) -> None:
    """Raise UnfitError where a driver was built for another version of the interfaces, saying which side is behind."""
    if not isinstance(built_for, int) or isinstance(built_for, bool):
        raise UnfitError(
            f"does not say which interface it was built for: interface_version is {built_for!r}, no whole number",
            f"ask the authors of {package} to write interface_version = {INTERFACE_VERSION} into its class",
        )
    behind = f"built for interface {built_for}, and this labwright has {INTERFACE_VERSION}"
    if built_for < INTERFACE_VERSION:
        raise UnfitError(
            f"{behind}: a newer version of {package} is needed", f"pip install --upgrade {package}"
        )  # fmt: skip
    if built_for > INTERFACE_VERSION:
        raise UnfitError(f"{behind}: labwright is older than the plugin", "pip install --upgrade labwright")


def facts_name(namespace: str) -> str:
    """The attribute that holds a driver's facts."""
    return "distribution" if namespace == BOOTSTRAPPERS else "facts"


def _report(entry: Entry) -> str:
    return f"report it to the authors of {entry.package}; labwright plugins check {entry.name} says more"
