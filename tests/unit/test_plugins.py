"""Drivers are found by entry point; a broken one is named with its reason and the others go on."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from stevedore import ExtensionManager

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import BOOTSTRAPPERS
from labwright.plugins import bootstrapper, discover, find, hook_manager


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a module and its entry points, as pip would lay them out."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(name: str, code: str, entries: str) -> None:
        (site / f"{name}.py").write_text(code)
        info = site / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(entries)
        importlib.invalidate_caches()
        ExtensionManager.ENTRY_POINT_CACHE.clear()
        sys.modules.pop(name, None)

    yield install
    ExtensionManager.ENTRY_POINT_CACHE.clear()


def test_our_own_drivers_are_there_and_say_what_they_do_not_do():
    health = {plugin.name: plugin for plugin in discover(BOOTSTRAPPERS)}
    assert health["debian"].health == "ready"
    assert health["debian"].package == "labwright-debian"
    assert health["centos"].health == "partial"
    assert health["centos"].note


def test_a_planned_driver_is_refused_with_a_reason(installed):
    installed(
        "planned_driver",
        "from labwright.interfaces import Distribution\nfrom labwright_debian import DebianBootstrapper as D\n"
        "class Driver(D):\n    distribution = Distribution(title='L', status='planned', limits='next year')\n",
        "[labwright.bootstrappers]\nlater = planned_driver:Driver\n",
    )
    with pytest.raises(LabwrightError, match="planned") as caught:
        bootstrapper("later")
    assert caught.value.cause is Cause.PLUGIN


def test_an_unknown_type_gets_a_suggestion():
    with pytest.raises(LabwrightError, match=r"did you mean .debian"):
        bootstrapper("debain")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nothing_of_this_name", "does not import: ModuleNotFoundError"),
        ("Driver = 3", "not a subclass"),
        ("raise SystemError('boom')", "boom"),
        ("from labwright_debian import DebianBootstrapper as D\nclass Driver(D):\n    interface_version = 99",
         "built for interface 99"),
        ("from labwright.interfaces import Bootstrapper\nclass Driver(Bootstrapper):\n    pass",
         "does not implement fetch_kernel_source"),
    ],
)  # fmt: skip
def test_a_broken_driver_is_named_and_the_rest_go_on(installed, code, reason):
    installed("third", code, "[labwright.bootstrappers]\nthird = third:Driver\n")
    plugins = {plugin.name: plugin for plugin in discover(BOOTSTRAPPERS)}
    assert plugins["third"].health == "broken"
    assert reason in plugins["third"].note
    assert (plugins["third"].package, plugins["third"].version) == ("third", "1.2")
    assert plugins["debian"].health == "ready"
    with pytest.raises(LabwrightError, match="cannot be used"):
        find(BOOTSTRAPPERS, "third")


def test_two_packages_for_one_type_are_both_refused(installed):
    installed(
        "third",
        "from labwright_debian import DebianBootstrapper as D\nclass Driver(D):\n    pass",
        "[labwright.bootstrappers]\ndebian = third:Driver\n",
    )
    plugins = [plugin for plugin in discover(BOOTSTRAPPERS) if plugin.name == "debian"]
    assert [plugin.health for plugin in plugins] == ["broken", "broken"]
    assert "more than one package" in plugins[0].note


def test_a_broken_hook_package_does_not_stop_the_others(installed):
    installed("third", "raise RuntimeError('no')", "[labwright.hooks]\nthird = third\n")
    manager, broken = hook_manager()
    assert [plugin.name for plugin in broken] == ["third"]
    assert manager.hook.labwright_event is not None
    assert Path(__file__).exists()
