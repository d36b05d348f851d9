"""Drivers are found by entry point; a broken one is named with its reason and the others go on."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from support.packages import DRIVER, lay_out, offers

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import BOOTSTRAPPERS, INTERFACE_VERSION, PROVISIONERS
from labwright.plugins import bootstrapper, discover, find, hook_manager


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a module and its entry points, as pip would lay them out."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(name: str, code: str, entries: str | bytes, version: str = "1.2") -> Path:
        info = lay_out(site, name, code, entries, version)
        importlib.invalidate_caches()
        sys.modules.pop(name, None)
        return info

    return install


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
        ("import sys\nsys.exit(0)", "does not import: SystemExit: 0"),
        ("class Stop(BaseException):\n    pass\nraise Stop('all')", "does not import: Stop: all"),
        # Stevedore lets this one through.
        ("assert False, 'never'", "does not import: AssertionError: never"),
        ("def broken(:", "does not import: SyntaxError"),
        ("pass", "does not import: AttributeError"),
        (f"{DRIVER}pass\nclass Liar(Exception):\n    def __str__(self):\n        raise ValueError\nraise Liar",
         "does not import: Liar: (its text cannot be had)"),
        ("raise ValueError('\\x1b[31mred\\nsecond line')", "does not import: ValueError: red"),
        (f"class Odd:\n    def __get__(self, one, owner):\n        raise OSError('odd')\n"
         f"{DRIVER}interface_version = Odd()", "cannot be looked at: OSError: odd"),
        (f"{DRIVER}distribution = 'Third'", "does not say its distribution"),
        (f"from labwright.interfaces import Distribution\n{DRIVER}distribution = Distribution('T', status='fine')",
         "its status one of ready, partial, planned; it says 'fine'"),
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


@pytest.mark.parametrize(
    ("version", "reason", "remedy"),
    [
        ("3", f"for interface 3, and this labwright has {INTERFACE_VERSION}: a newer version of third is needed",
         "pip install --upgrade third"),
        ("99", f"for interface 99, and this labwright has {INTERFACE_VERSION}: labwright is older than the plugin",
         "pip install --upgrade labwright"),
        ("None", "does not say which interface it was built for: interface_version is None",
         f"write interface_version = {INTERFACE_VERSION}"),
        ("'4'", "interface_version is '4', no whole number", "ask the authors of third"),
        ("True", "interface_version is True, no whole number", "ask the authors of third"),
    ],
)  # fmt: skip
def test_a_driver_for_another_interface_says_which_side_is_behind(installed, version, reason, remedy):
    installed("third", f"{DRIVER}interface_version = {version}", offers("bootstrappers", "third", "third:Driver"))
    with pytest.raises(LabwrightError) as caught:
        bootstrapper("third")
    assert reason in caught.value.what
    assert remedy in caught.value.hint
    assert caught.value.cause is Cause.PLUGIN


def test_a_driver_that_cannot_be_made_is_no_bug_of_ours(installed):
    installed("third", f"{DRIVER}def __init__(self, size): pass", offers("bootstrappers", "third", "third:Driver"))
    with pytest.raises(LabwrightError, match="the plugin third of third does not start: TypeError") as caught:
        bootstrapper("third")
    assert caught.value.cause is Cause.PLUGIN


def test_what_a_module_prints_when_it_is_imported_reaches_no_output(installed, capsys):
    code = f"import sys\nprint('hello')\nsys.stdout.buffer.write(b'bytes')\n{DRIVER}pass"
    installed("third", code, offers("bootstrappers", "third", "third:Driver"))
    assert find(BOOTSTRAPPERS, "third").health == "ready"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("value", ["third Driver", "third:Driver()", ":Driver", "", "third:", "1third:Driver"])
def test_an_entry_point_that_names_no_class_is_named_itself(installed, value):
    installed("third", f"{DRIVER}pass", offers("bootstrappers", "third", value))
    plugins = {plugin.name: plugin for plugin in discover(BOOTSTRAPPERS)}
    assert plugins["third"].note == f"its entry point {value!r} is no module:Class"
    assert plugins["debian"].health == "ready"


@pytest.mark.parametrize(
    "entries",
    [b"[labwright.bootstrappers]\nno equals sign\n", b"[labwright.bootstrappers]\nthird = \xff\xfe:Driver\n"],
)
def test_a_package_with_damaged_metadata_hides_no_other(installed, entries):
    installed("third", f"{DRIVER}pass", entries)
    broken = [plugin for plugin in discover(BOOTSTRAPPERS) if plugin.package == "third"]
    assert [plugin.health for plugin in broken] == ["broken"]
    assert "metadata cannot be read" in broken[0].note
    assert "third" in broken[0].remedy
    assert not [plugin for plugin in discover(PROVISIONERS) if plugin.package == "third"]
    assert find(BOOTSTRAPPERS, "debian").health == "ready"


def test_a_package_without_a_name_goes_by_its_folder(installed):
    info = installed("third", f"{DRIVER}pass", offers("bootstrappers", "third", "third:Driver"))
    (info / "METADATA").unlink()
    plugin = find(BOOTSTRAPPERS, "third")
    assert (plugin.package, plugin.version) == ("third", "1.2")


def test_of_two_versions_on_the_path_the_first_counts(installed, tmp_path, monkeypatch):
    installed("third", f"{DRIVER}pass", offers("bootstrappers", "third", "third:Driver"))
    second = tmp_path / "second"
    lay_out(second, "third", "raise SystemExit", offers("bootstrappers", "third", "third:Driver"), "0.9")
    monkeypatch.setattr(sys, "path", [*sys.path, str(second)])
    assert [plugin.version for plugin in discover(BOOTSTRAPPERS) if plugin.name == "third"] == ["1.2"]


def test_two_packages_for_one_type_are_both_refused(installed):
    installed(
        "third",
        "from labwright_debian import DebianBootstrapper as D\nclass Driver(D):\n    pass",
        "[labwright.bootstrappers]\ndebian = third:Driver\n",
    )
    plugins = [plugin for plugin in discover(BOOTSTRAPPERS) if plugin.name == "debian"]
    assert [plugin.health for plugin in plugins] == ["broken", "broken"]
    assert "more than one package" in plugins[0].note
    with pytest.raises(LabwrightError, match="labwright-debian, third") as caught:
        find(BOOTSTRAPPERS, "debian")
    assert "LABWRIGHT_DEBIAN_PLUGIN=labwright-debian" in caught.value.hint


@pytest.fixture
def twin(installed):
    """A second package for Debian, with a bootstrapper alone."""
    installed("Third_Party", f"{DRIVER}pass", offers("bootstrappers", "debian", "Third_Party:Driver"))


@pytest.mark.parametrize(
    ("chosen", "used", "other"),
    [("third.party", "Third_Party", "labwright-debian"), ("labwright-debian", "labwright-debian", "Third_Party")],
)
def test_the_user_chooses_the_package_of_a_type(twin, monkeypatch, chosen, used, other):
    monkeypatch.setenv("LABWRIGHT_DEBIAN_PLUGIN", chosen)
    health = {plugin.package: plugin for plugin in discover(BOOTSTRAPPERS) if plugin.name == "debian"}
    assert health[used].health == "ready"
    assert health[other].health == "not chosen"
    assert f"LABWRIGHT_DEBIAN_PLUGIN chooses {chosen}" in health[other].note
    assert find(BOOTSTRAPPERS, "debian").package == used
    # The second package offers no provisioner, so there is nothing to choose there.
    assert find(PROVISIONERS, "debian").package == "labwright-debian"


def test_a_choice_that_names_no_package_is_refused_with_those_that_there_are(twin, monkeypatch):
    monkeypatch.setenv("LABWRIGHT_DEBIAN_PLUGIN", "fourth")
    for namespace in (BOOTSTRAPPERS, PROVISIONERS):
        with pytest.raises(LabwrightError, match="LABWRIGHT_DEBIAN_PLUGIN names fourth") as caught:
            find(namespace, "debian")
        assert "Third_Party, labwright-debian" in caught.value.hint
    assert find(BOOTSTRAPPERS, "centos").health == "partial"


def test_a_broken_twin_takes_the_working_one_down_only_where_it_was_chosen(installed, monkeypatch):
    installed("third", "raise OSError('no')", offers("bootstrappers", "debian", "third:Driver"))
    assert find(BOOTSTRAPPERS, "debian").package == "labwright-debian"
    monkeypatch.setenv("LABWRIGHT_DEBIAN_PLUGIN", "third")
    with pytest.raises(LabwrightError, match="of third cannot be used: does not import"):
        find(BOOTSTRAPPERS, "debian")


def test_a_package_that_offers_a_type_twice_is_refused_by_name(installed):
    twice = offers("bootstrappers", "third", "third:Driver") + "third = third:Second\n"
    installed("third", f"{DRIVER}pass\nclass Second(Driver):\n    pass", twice)
    with pytest.raises(LabwrightError, match=r"third offers this type more than once: third:Driver, third:Second"):
        find(BOOTSTRAPPERS, "third")


def test_a_type_that_is_said_twice_in_the_same_words_is_one(installed):
    installed("third", f"{DRIVER}pass", offers("bootstrappers", "third", "third:Driver") + "third = third:Driver\n")
    assert find(BOOTSTRAPPERS, "third").health == "ready"


def test_a_broken_hook_package_does_not_stop_the_others(installed):
    installed("third", "raise RuntimeError('no')", "[labwright.hooks]\nthird = third\n")
    manager, broken = hook_manager()
    assert [plugin.name for plugin in broken] == ["third"]
    assert manager.hook.labwright_event is not None
    assert Path(__file__).exists()
