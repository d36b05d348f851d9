"""Hooks of installed packages fail alone: the command that called them, its views and all other hooks go on."""

from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys

import pytest
from support.packages import lay_out, offers

from labwright.errors import Cause, LabwrightError
from labwright.hooks import HOOKS, Event, ImageReady, NightFinished, hookimpl
from labwright.host.paths import Paths
from labwright.interfaces import ImageSpec
from labwright.pipeline.preflight import lint
from labwright.pipeline.workshop import Workshop
from labwright.plugins import discover, hook_manager
from labwright.ui.views import JsonView

HEAD = "from labwright.hooks import LintFinding, hookimpl\nseen = []\n"
SPEC = ImageSpec.model_validate({"slug": "sample", "description": "A sample", "build": {"type": "debian"}})
RAISING = """
class Odd:
    {odd}
Hooks = Odd()
"""


@pytest.fixture
def hooks(tmp_path, monkeypatch):
    """Installs modules with hooks and gives the manager with those that could not be taken."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    names: list[str] = []

    def install(entries: str = "", **modules: str):
        for name, code in modules.items():
            lay_out(tmp_path / "site", name, HEAD + code, entries or f"[{HOOKS}]\nhooks = {name}\n")
            sys.modules.pop(name, None)
            names.append(name)
        importlib.invalidate_caches()
        return hook_manager()

    yield install
    for name in names:
        sys.modules.pop(name, None)


def listener(name: str, body: str, argument: str = "event") -> str:
    return f"@hookimpl\ndef labwright_{name}({argument}):\n    {body}\n"


@pytest.mark.parametrize(
    "odd",
    ["def __dir__(self): raise OSError('boom')", "def __eq__(self, other): raise OSError('boom')",
     "def __dir__(self): raise SystemError('boom')"],
)  # fmt: skip
def test_a_hook_object_that_cannot_be_looked_at_is_reported(hooks, odd):
    manager, broken = hooks(f"[{HOOKS}]\nhooks = broken_hooks:Hooks\n", broken_hooks=RAISING.format(odd=odd))
    assert [(one.package, "boom" in one.note) for one in broken] == [("broken_hooks", True)]
    manager.register(JsonView(io.StringIO()))


def test_of_two_hooks_of_one_name_the_good_one_stays(hooks):
    entries = f"[{HOOKS}]\nhooks = twice_hooks\nhooks = twice_hooks:Bad\nagain = twice_hooks\n"
    code = listener("event", "seen.append(event.kind)") + "class Bad:\n    def __dir__(self): raise OSError('boom')\n"
    manager, broken = hooks(entries, twice_hooks=code + "Bad = Bad()\n")
    assert sorted(one.note for one in broken) == [
        "OSError: boom", "ValueError: twice_hooks offers these hooks more than once",
    ]  # fmt: skip
    manager.hook.labwright_event(event=Event("progress", "sample"))
    assert sys.modules["twice_hooks"].seen == ["progress"]


def test_a_wrapper_of_everybodys_hooks_is_not_taken(hooks):
    code = "@hookimpl(wrapper=True)\ndef labwright_event(event):\n    yield\n"
    _, (broken,) = hooks(wrapping_hooks=code)
    assert "labwright_event is a wrapper" in broken.note


@pytest.mark.parametrize(
    "fault", ["raise OSError('boom')", "raise BrokenPipeError('boom')", "raise SystemExit('boom')"]
)
def test_an_event_that_a_package_fails_at_is_one_warning(hooks, tmp_path, fault):
    manager, broken = hooks(
        bad_hooks=listener("event", fault), few_hooks=listener("event", "seen.append(1)", ""),
        good_hooks=listener("event", "seen.append(event.kind)"),
    )  # fmt: skip
    stream = io.StringIO()
    manager.register(JsonView(stream))
    workshop = Workshop(Paths(tmp_path), manager)
    for _ in range(3):
        workshop.emit(Event("progress", "sample"))
    assert broken == []
    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["kind"] for event in said] == ["progress", "warning", "progress", "progress"]
    assert "the hook of bad_hooks for events fails" in said[1]["text"]
    assert "boom" in said[1]["text"]
    assert sorted(sys.modules["good_hooks"].seen) == ["progress"] * 3 + ["warning"]
    # One that takes fewer arguments is called as pluggy would.
    assert sys.modules["few_hooks"].seen == [1] * 4


@pytest.mark.parametrize("fault", [KeyboardInterrupt, BrokenPipeError])
def test_what_our_own_views_raise_ends_the_command(hooks, tmp_path, fault):
    class View:
        @hookimpl
        def labwright_event(self, event):
            raise fault

    manager, _ = hooks()
    manager.register(View())
    with pytest.raises(fault):
        Workshop(Paths(tmp_path), manager).emit(Event("progress", "sample"))


def test_ctrl_c_during_a_packages_hook_ends_the_command(hooks, tmp_path):
    manager, _ = hooks(slow_hooks=listener("event", "raise KeyboardInterrupt"))
    with pytest.raises(KeyboardInterrupt):
        Workshop(Paths(tmp_path), manager).emit(Event("progress", "sample"))


def test_an_image_that_is_there_stays_whatever_is_told_of_it(hooks, tmp_path):
    manager, _ = hooks(
        bad_hooks=listener("image_ready", "raise OSError('boom')", "ready"),
        good_hooks=listener("image_ready", "seen.append(ready.image.name)", "ready"),
    )
    stream = io.StringIO()
    manager.register(JsonView(stream))
    Workshop(Paths(tmp_path), manager).ready(ImageReady(SPEC, tmp_path / "sample.qcow2", tmp_path / "sample.json"))
    assert sys.modules["good_hooks"].seen == ["sample.qcow2"]
    assert "the hook of bad_hooks for finished images fails: OSError: boom" in stream.getvalue()


def test_a_night_is_over_whatever_is_told_of_it(hooks, tmp_path):
    manager, _ = hooks(
        bad_hooks=listener("night_finished", "raise OSError('boom')", "night"),
        good_hooks=listener("night_finished", "seen.append(night.failed)", "night"),
    )
    stream = io.StringIO()
    manager.register(JsonView(stream))
    night = NightFinished(7, tmp_path / "night.json", tmp_path / "index.html", ("debian",), ("frr",))
    Workshop(Paths(tmp_path), manager).night_finished(night)
    assert sys.modules["good_hooks"].seen == [("frr",)]
    assert "the hook of bad_hooks for finished nights fails: OSError: boom" in stream.getvalue()


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("return [42]", "its list has a int, no LintFinding"), ("return 42", "TypeError"),
        ("raise OSError('boom')", "OSError: boom"), ("raise SystemExit(0)", "SystemExit: 0"),
    ],
)  # fmt: skip
def test_a_check_of_descriptions_that_fails_itself_is_named(hooks, tmp_path, body, wrong):
    manager, _ = hooks(bad_hooks=listener("lint_image", body, "spec"))
    with pytest.raises(LabwrightError, match=f"that bad_hooks brings fails: .*{wrong}") as caught:
        lint(SPEC, Workshop(Paths(tmp_path), manager))
    assert caught.value.cause is Cause.PLUGIN
    assert "bad_hooks" in caught.value.hint


def test_checks_of_descriptions_find_what_they_find(hooks, tmp_path):
    manager, _ = hooks(
        first_hooks=listener("lint_image", "return [LintFinding('warning', 'odd ' + spec.slug)]", "spec"),
        none_hooks=listener("lint_image", "return None", "spec"),
        lazy_hooks=listener("lint_image", "yield LintFinding('warning', 'lazy')", "spec"),
    )
    found = lint(SPEC, Workshop(Paths(tmp_path), manager))
    assert sorted(finding.message for finding in found) == ["lazy", "odd sample"]


LOUD = """
import os, subprocess
os.write(1, b'raw ')
os.system('echo shell')
subprocess.run(['echo', 'child'])
from labwright_debian import DebianBootstrapper as D
class Meta(type(D)):
    def __getattribute__(cls, name):
        print('looked at')
        return super().__getattribute__(name)
class Driver(D, metaclass=Meta):
    pass
class Hooks:
    def __dir__(self):
        print('listed')
        return []
Hooks = Hooks()
"""
LOOK = """
print('before', end=' ')
import os
from labwright.plugins import discover_all, hook_manager
found = [one.health for one in discover_all() if one.name == 'loud'], len(hook_manager()[1])
os.write(1, b'after ')
print(*found)
"""


def test_what_children_and_descriptors_print_while_plugins_are_found_reaches_no_output(tmp_path):
    entries = offers("bootstrappers", "loud", "loud:Driver") + offers("hooks", "loud", "loud:Hooks")
    lay_out(tmp_path, "loud", LOUD, entries)
    done = subprocess.run(
        [sys.executable, "-c", LOOK], env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout == "before after ['ready'] 0\n"


def test_plugins_are_found_without_a_standard_output(tmp_path):
    code = "from labwright.plugins import discover_all; assert discover_all()\n"
    done = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, code], check=False)
    assert done.returncode == 0
    assert discover("labwright.bootstrappers")
