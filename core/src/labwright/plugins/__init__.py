"""Which drivers and hooks are installed, and the health of each. A broken one is reported and the rest go on."""

from __future__ import annotations

import difflib
from typing import Any

import pluggy

from labwright.errors import Cause, LabwrightError
from labwright.hooks import HOOKS, Hooks, Plugin
from labwright.interfaces import (
    BOOTSTRAPPERS,
    CONFIGURATORS,
    PROVISIONERS,
    Bootstrapper,
    LessonConfigurator,
    Provisioner,
)
from labwright.plugins.calls import registered_as
from labwright.plugins.choice import settle
from labwright.plugins.entries import Entry, Installed, installed
from labwright.plugins.examine import INTERFACES, examine
from labwright.plugins.load import broken, first_line, load
from labwright.plugins.quiet import unheard

__all__ = [
    "INTERFACES", "Plugin", "bootstrapper", "configurator", "discover", "discover_all", "driver_of", "find",
    "hook_manager", "provisioner",
]  # fmt: skip

WORDS = {
    BOOTSTRAPPERS: ("makes images of type", "build.type"),
    PROVISIONERS: ("makes images of type", "build.type"),
    CONFIGURATORS: ("configures endpoints by", "configurationType"),
}
"""What a driver of an interface does, and where a user names it."""


def discover(namespace: str, offered: Installed | None = None) -> list[Plugin]:
    """The drivers of one interface, sorted by name; what does not load is there too, as broken."""
    offered = offered or installed()
    found, failed = load(namespace, offered)
    with unheard():
        plugins = [examine(namespace, entry, driver) for entry, driver in found]
    return settle(plugins + failed, offered)


def discover_all() -> list[Plugin]:
    """The drivers of all three interfaces."""
    offered = installed()
    return [plugin for namespace in INTERFACES for plugin in discover(namespace, offered)]


def bootstrapper(name: str) -> Bootstrapper:
    """The stage 1 driver of an image type. Raises LabwrightError when there is none or it cannot be used."""
    driver: Bootstrapper = driver_of(find(BOOTSTRAPPERS, name))
    return driver


def provisioner(name: str) -> Provisioner:
    """The stage 2 driver of an image type. Raises LabwrightError when there is none or it cannot be used."""
    driver: Provisioner = driver_of(find(PROVISIONERS, name))
    return driver


def configurator(name: str) -> LessonConfigurator:
    """The stage 3 driver of a configuration type. Raises LabwrightError when there is none or it cannot be used."""
    driver: LessonConfigurator = driver_of(find(CONFIGURATORS, name))
    return driver


def driver_of(plugin: Plugin) -> Any:
    """An instance of a plugin's driver. Raises LabwrightError (plugin) when its class makes none."""
    try:
        return plugin.driver()
    except LabwrightError:
        raise
    except Exception as error:
        raise LabwrightError(
            f"the plugin {plugin.name} of {plugin.package} does not start: {first_line(error)}",
            cause=Cause.PLUGIN,
            hint=f"a driver is made without arguments; report this to the authors of {plugin.package}",
        ) from error


def find(namespace: str, name: str) -> Plugin:
    """The usable plugin of this name. Raises LabwrightError that says why there is none."""
    plugins = discover(namespace)
    found = sorted((plugin for plugin in plugins if plugin.name == name), key=_use)
    if not found:
        does, where = WORDS[namespace]
        close = difflib.get_close_matches(name, [plugin.name for plugin in plugins], 1)
        known = ", ".join(sorted({plugin.name for plugin in plugins})) or "none"
        raise LabwrightError(
            f"no plugin {does} {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""),
            cause=Cause.CONFIG,
            hint=f"installed types: {known}. Mend {where}, or install the package that brings the type",
        )
    plugin = found[0]
    if plugin.health == "broken":
        raise LabwrightError(
            f"the plugin {name} of {plugin.package} cannot be used: {plugin.note}",
            cause=Cause.PLUGIN,
            hint=plugin.remedy,
        )
    if plugin.health == "planned":
        raise LabwrightError(
            f"the plugin {name} of {plugin.package} is planned and does nothing yet",
            cause=Cause.PLUGIN,
            hint=plugin.note,
        )
    return plugin


def _use(plugin: Plugin) -> int:
    """What can be used comes first, and what was not chosen never does."""
    return {"broken": 1, "not chosen": 2}.get(plugin.health, 0)


def hook_manager() -> tuple[pluggy.PluginManager, list[Plugin]]:
    """The pluggy manager with all hook packages registered, and the hook packages that could not be loaded."""
    manager = pluggy.PluginManager("labwright")
    manager.add_hookspecs(Hooks)
    found, failed = load(HOOKS, installed())
    for entry, plugin in found:
        try:
            with unheard():
                _register(manager, entry, plugin)
        except Exception as error:
            failed.append(broken(HOOKS, entry, first_line(error), "ask its authors for a version that fits"))
    return manager, failed


def _register(manager: pluggy.PluginManager, entry: Entry, plugin: Any) -> None:
    """Take a hook object, wholly or not at all. Raises what it raises when pluggy looks at it."""
    # One that cannot be compared would be in the way of all that come after it.
    bool(plugin == manager)
    name = registered_as(entry)
    if manager.is_registered(plugin):
        raise ValueError(f"{entry.package} offers these hooks more than once")
    try:
        manager.register(plugin, name)
        manager.check_pending()
        wraps = sorted({one.function.__name__ for caller in manager.get_hookcallers(plugin) or []
                        for one in caller.get_hookimpls()
                        if one.plugin is plugin and (one.wrapper or one.hookwrapper)})  # fmt: skip
        if wraps:
            raise ValueError(f"{', '.join(wraps)} is a wrapper: labwright calls each hook by itself")
    except Exception:
        if manager.get_plugin(name) is plugin:
            manager.unregister(plugin, name)
        raise
