"""Which package makes a type that more than one offers: chance never decides, the user does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from labwright.hooks import Plugin
from labwright.plugins.entries import Installed, canonical


def variable(name: str) -> str:
    """The environment variable that says which package makes a type, as LABWRIGHT_<TYPE>_MIRROR says whose mirror."""
    return f"LABWRIGHT_{name.upper().replace('-', '_')}_PLUGIN"


def settle(plugins: Sequence[Plugin], offered: Installed) -> list[Plugin]:
    """The plugins of one interface, sorted by name, at most one of each name fit for use."""
    ordered = sorted(plugins, key=lambda plugin: (plugin.name, plugin.package))
    return [
        settled
        for name, claims in groupby(ordered, key=lambda plugin: plugin.name)
        for settled in _settle(name, list(claims), offered.packages(name))
    ]


def _settle(name: str, claims: list[Plugin], packages: set[str]) -> list[Plugin]:
    """claims: of one type. packages: those that offer it in any interface."""
    chosen = os.environ.get(variable(name), "")
    if not chosen:
        return _refuse_twins(name, claims)
    mine = [plugin for plugin in claims if canonical(plugin.package) == canonical(chosen)]
    if mine:
        others = [_not_chosen(plugin, chosen) for plugin in claims if plugin not in mine]
        return sorted(_refuse_twins(name, mine) + others, key=lambda plugin: plugin.package)
    if canonical(chosen) in map(canonical, packages):
        # It offers the type in another interface, and has no say in this one.
        return _refuse_twins(name, claims)
    known = ", ".join(sorted(packages))
    return [
        replace(
            plugin, health="broken", note=f"{variable(name)} names {chosen}, and no such package offers this type",
            remedy=f"set {variable(name)} to one of: {known}; or unset it",
        )
        for plugin in claims
    ]  # fmt: skip


def _refuse_twins(name: str, claims: list[Plugin]) -> list[Plugin]:
    """Where more than one could be used none is; what is broken claims nothing and says its own reason."""
    usable = [plugin for plugin in claims if plugin.health != "broken"]
    if len(usable) < 2:
        return claims
    packages = sorted({plugin.package for plugin in usable})
    if len(packages) == 1:
        note = f"{packages[0]} offers this type more than once: {', '.join(sorted(one.entry for one in usable))}"
        remedy = f"install another version of {packages[0]}, or report it to its authors"
    else:
        note = f"more than one package offers this type: {', '.join(packages)}"
        remedy = f"set {variable(name)}={packages[0]}, or another of them; or uninstall all but one"
    return [replace(plugin, health="broken", note=note, remedy=remedy) if plugin in usable else plugin
            for plugin in claims]  # fmt: skip


def _not_chosen(plugin: Plugin, chosen: str) -> Plugin:
    return replace(
        plugin, health="not chosen", note=f"{variable(plugin.name)} chooses {chosen}",
        remedy=f"unset {variable(plugin.name)}, or set it to {plugin.package}",
    )  # fmt: skip
