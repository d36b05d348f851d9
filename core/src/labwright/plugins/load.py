"""Importing what others wrote: whatever it does then, the command that wanted something else goes on."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from typing import Any

from stevedore import ExtensionManager

from labwright.hooks import Plugin
from labwright.host.text import plain
from labwright.plugins.entries import Entry, Installed
from labwright.plugins.quiet import unheard

VALUE = re.compile(r"\s*[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\s*(:\s*[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\s*)?(\[.*\]\s*)?")
LONGEST = 300


class NotLoadedError(Exception):
    """What an entry point names could not be imported."""


class _Manager(ExtensionManager[Any]):
    """Stevedore's, without its own list of entry points (its cache goes by times of files), and afraid of nothing."""

    def __init__(self, namespace: str, points: list[EntryPoint]) -> None:
        self.points = points
        self.failed: list[tuple[EntryPoint, str]] = []
        super().__init__(namespace, on_load_failure_callback=self._note)

    def list_entry_points(self) -> list[EntryPoint]:
        return self.points

    def _note(self, _manager: object, point: EntryPoint, error: BaseException) -> None:
        self.failed.append((point, str(error)))

    def _load_one_plugin(self, ep: EntryPoint, *invoke: Any) -> Any:
        if not VALUE.fullmatch(ep.value):
            raise NotLoadedError(f"its entry point {plain(ep.value)!r} is no module:Class")
        try:
            with unheard():
                return super()._load_one_plugin(ep, *invoke)
        except KeyboardInterrupt:
            # It cannot be told from the user's Ctrl-C, which has to work.
            raise
        except BaseException as error:
            # SystemExit among them: a module that ends the program when it is imported ends itself alone.
            raise NotLoadedError(f"does not import: {first_line(error)}") from error


def load(namespace: str, offered: Installed) -> tuple[list[tuple[Entry, Any]], list[Plugin]]:
    """What could be imported of a group, and what could not, as broken."""
    entries = {id(entry.point): entry for entry in offered.group(namespace)}
    manager = _Manager(namespace, [entry.point for entry in entries.values()])
    found = [(entries[id(extension.entry_point)], extension.plugin) for extension in manager]
    failed = [_failed(namespace, entries[id(point)], reason) for point, reason in manager.failed]
    failed += [
        Plugin(
            namespace, "?", one.package, "", "broken",
            note=f"its metadata cannot be read: {plain(one.reason)[:LONGEST]}",
            remedy=f"install it anew: pip install --force-reinstall {one.package}",
        )
        for one in offered.damaged
        if one.group == namespace
    ]  # fmt: skip
    return found, failed


def _failed(namespace: str, entry: Entry, reason: str) -> Plugin:
    return broken(
        namespace, entry, reason,
        f"install a version of {entry.package} that fits, with all it needs: pip install --upgrade {entry.package}",
    )  # fmt: skip


def broken(namespace: str, entry: Entry, reason: str, remedy: str, driver: Any = None) -> Plugin:
    """An entry point that cannot be used."""
    return Plugin(
        namespace, entry.name, entry.package, entry.version, "broken",
        note=reason, remedy=remedy, entry=entry.point.value, driver=driver,
    )  # fmt: skip


def first_line(error: BaseException) -> str:
    """An exception in one line that a terminal can be given."""
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be had)"
    lines = [line.strip() for line in plain(text).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:LONGEST]}" if lines else type(error).__name__
