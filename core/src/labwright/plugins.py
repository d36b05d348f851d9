"""Which drivers and hooks are installed, and the health of each. A broken one is reported and the rest go on."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

import pluggy
from stevedore import ExtensionManager

from labwright.errors import Cause, LabwrightError
from labwright.hooks import HOOKS, Hooks
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
)

INTERFACES: dict[str, type] = {
    BOOTSTRAPPERS: Bootstrapper,
    PROVISIONERS: Provisioner,
    CONFIGURATORS: LessonConfigurator,
}
Health = Literal["ready", "partial", "planned", "broken"]


@dataclass(frozen=True)
class Plugin:
    """One entry point: what it is for, where it comes from, whether it can be used and, if not, why."""

    namespace: str
    name: str
    package: str
    version: str
    health: Health
    title: str = ""
    note: str = ""
    driver: Any = None

    @property
    def interface(self) -> str:
        """The last word of the namespace: bootstrappers, provisioners or configurators."""
        return self.namespace.rpartition(".")[2]


def discover(namespace: str) -> list[Plugin]:
    """The drivers of one interface, sorted by name; what does not load is there too, as broken."""
    broken: list[Plugin] = []

    def failed(_manager: object, entry: EntryPoint, error: BaseException) -> None:
        broken.append(_broken(namespace, entry, f"does not import: {type(error).__name__}: {error}"))

    manager: ExtensionManager[Any] = ExtensionManager(namespace, on_load_failure_callback=failed, invoke_on_load=False)
    loaded = [_examine(namespace, extension.entry_point, extension.plugin) for extension in manager]
    return sorted(_refuse_twins(loaded + broken), key=lambda plugin: (plugin.name, plugin.package))


def discover_all() -> list[Plugin]:
    """The drivers of all three interfaces."""
    return [plugin for namespace in INTERFACES for plugin in discover(namespace)]


def bootstrapper(name: str) -> Bootstrapper:
    """The stage 1 driver of an image type. Raises LabwrightError when there is none or it cannot be used."""
    driver: Bootstrapper = find(BOOTSTRAPPERS, name).driver()
    return driver


def provisioner(name: str) -> Provisioner:
    """The stage 2 driver of an image type. Raises LabwrightError when there is none or it cannot be used."""
    driver: Provisioner = find(PROVISIONERS, name).driver()
    return driver


def find(namespace: str, name: str) -> Plugin:
    """The usable plugin of this name. Raises LabwrightError that says why there is none."""
    plugins = discover(namespace)
    found = [plugin for plugin in plugins if plugin.name == name]
    if not found:
        close = difflib.get_close_matches(name, [plugin.name for plugin in plugins], 1)
        known = ", ".join(sorted({plugin.name for plugin in plugins})) or "none"
        raise LabwrightError(
            f"no plugin makes images of type {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""),
            cause=Cause.CONFIG,
            hint=f"installed types: {known}. Mend build.type, or install the package that brings the type",
        )
    plugin = found[0]
    if plugin.health == "broken":
        raise LabwrightError(
            f"the plugin {name} of {plugin.package} cannot be used: {plugin.note}",
            cause=Cause.PLUGIN,
            hint=f"install a version of {plugin.package} for this labwright (interface {INTERFACE_VERSION})",
        )
    if plugin.health == "planned":
        raise LabwrightError(
            f"the plugin {name} of {plugin.package} is planned and does nothing yet",
            cause=Cause.PLUGIN,
            hint=plugin.note,
        )
    return plugin


def hook_manager() -> tuple[pluggy.PluginManager, list[Plugin]]:
    """The pluggy manager with all hook packages registered, and the hook packages that could not be loaded."""
    manager = pluggy.PluginManager("labwright")
    manager.add_hookspecs(Hooks)
    broken: list[Plugin] = []

    def failed(_manager: object, entry: EntryPoint, error: BaseException) -> None:
        broken.append(_broken(HOOKS, entry, f"does not import: {type(error).__name__}: {error}"))

    extensions: ExtensionManager[Any] = ExtensionManager(HOOKS, on_load_failure_callback=failed, invoke_on_load=False)
    for extension in extensions:
        try:
            manager.register(extension.plugin, extension.name)
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            manager.unregister(name=extension.name)
            broken.append(_broken(HOOKS, extension.entry_point, str(error)))
    return manager, broken


def _origin(entry: EntryPoint) -> tuple[str, str]:
    """Name and version of the package; stevedore's cache of entry points does not keep them."""
    for same in entry_points(group=entry.group, name=entry.name):
        if same.value == entry.value and same.dist is not None:
            return same.dist.name, same.dist.version
    return "unknown", ""


def _broken(namespace: str, entry: EntryPoint, reason: str) -> Plugin:
    return Plugin(namespace, entry.name, *_origin(entry), health="broken", note=reason)


def _examine(namespace: str, entry: EntryPoint, driver: Any) -> Plugin:
    wanted = INTERFACES[namespace]
    if not (isinstance(driver, type) and issubclass(driver, wanted)):
        return _broken(namespace, entry, f"{entry.value} is not a subclass of labwright.interfaces.{wanted.__name__}")
    version = getattr(driver, "interface_version", None)
    if version != INTERFACE_VERSION:
        return _broken(namespace, entry, f"built for interface {version}; this labwright has {INTERFACE_VERSION}")
    missing = sorted(getattr(driver, "__abstractmethods__", ()))
    if missing:
        return _broken(namespace, entry, f"does not implement {', '.join(missing)}")
    facts = getattr(driver, "distribution" if namespace == BOOTSTRAPPERS else "facts", None)
    if not isinstance(facts, Distribution if namespace == BOOTSTRAPPERS else DriverFacts):
        return _broken(namespace, entry, "does not say its facts")
    return Plugin(namespace, entry.name, *_origin(entry), facts.status, facts.title, facts.limits, driver)


def _refuse_twins(plugins: list[Plugin]) -> list[Plugin]:
    """Two packages that offer one type: neither is used, since which one wins would be chance."""
    names = [plugin.name for plugin in plugins]
    packages = ", ".join(sorted({plugin.package for plugin in plugins if names.count(plugin.name) > 1}))
    return [
        plugin
        if names.count(plugin.name) == 1 or plugin.health == "broken"
        else Plugin(
            plugin.namespace, plugin.name, plugin.package, plugin.version, "broken",
            note=f"more than one package offers this type ({packages}): uninstall one",
        )
        for plugin in plugins
    ]  # fmt: skip
