"""Packages of every broken kind are installed at once, and each command that wants something else does its work."""

from __future__ import annotations

import json

import pytest
from support.packages import DRIVER, lay_out, offers

from labwright.interfaces import INTERFACE_VERSION

BROKEN = {
    "exits": "raise SystemExit(0)",
    "leaves": "import os, sys\nsys.exit('goodbye')",
    "stops": "class Stop(BaseException):\n    pass\nraise Stop",
    "asserts": "assert 1 == 2",
    "lacks": "import a_dependency_that_is_not_there",
    "misspelt": "def f(:\n",
    "empty": "",
    "old": f"{DRIVER}interface_version = 1",
    "new": f"{DRIVER}interface_version = 99",
}
COMMANDS = (
    ("--help",),
    ("--version",),
    ("plugins", "--help"),
    ("plugins", "list"),
    ("plan", "images/debian"),
    ("schema",),
    ("cache", "list"),
)


@pytest.fixture
def site(tmp_path, monkeypatch):
    site = tmp_path / "site"
    for name, code in BROKEN.items():
        lay_out(site, f"{name}_plugin", code, offers("bootstrappers", name, f"{name}_plugin:Driver"))
    lay_out(
        site,
        "prints_plugin",
        f"print('noise')\n{DRIVER}pass",
        offers("bootstrappers", "prints", "prints_plugin:Driver"),
    )
    lay_out(site, "crooked_plugin", "", offers("bootstrappers", "crooked", "this is no module"))
    lay_out(site, "twice_plugin", f"{DRIVER}pass\nclass Other(Driver):\n    pass",
            offers("bootstrappers", "twice", "twice_plugin:Driver") + "twice = twice_plugin:Other\n")  # fmt: skip
    lay_out(site, "damaged_plugin", "", b"[labwright.bootstrappers]\nno equals sign\n")
    lay_out(site, "bytes_plugin", "", b"[labwright.bootstrappers]\n\xff = \xfe\n")
    lay_out(site, "hook_plugin", "raise SystemExit(3)", offers("hooks", "bad", "hook_plugin"))
    nameless = lay_out(site, "nameless_plugin", "", offers("bootstrappers", "nameless", "nameless_plugin:Driver"))
    (nameless / "METADATA").write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_broken_packages_stop_no_command(cli, site, words):
    done = cli(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "noise" not in done.stdout


def test_each_broken_package_is_listed_with_reason_and_remedy(cli, site):
    done = cli("plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    plugins = {plugin["package"]: plugin for plugin in json.loads(done.stdout)}
    wanted = {f"{name}_plugin" for name in (*BROKEN, "crooked", "twice", "damaged", "bytes", "hook", "nameless")}
    assert wanted <= plugins.keys()
    for package in wanted:
        assert plugins[package]["health"] == "broken", package
        assert plugins[package]["note"], package
        assert plugins[package]["remedy"], package
    assert plugins["prints_plugin"]["health"] == "ready"
    assert plugins["labwright-linux"]["health"] == "partial"


CHATTY = f"""
import os
from labwright.interfaces import ConfigurationResult, DriverFacts, LessonConfigurator
class Driver(LessonConfigurator):
    interface_version = {INTERFACE_VERSION}
    facts = DriverFacts("Chatty")
    def candidates(self, endpoint):
        print("so many candidates")
        os.system("echo and more")
        return ("file",)
    def configure(self, job, bench):
        return ConfigurationResult(False, "it is down")
"""


def test_what_a_driver_prints_while_it_is_checked_is_not_in_the_json(cli, tmp_path, monkeypatch):
    lay_out(tmp_path / "site", "chatty", CHATTY, offers("configurators", "chatty", "chatty:Driver"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    done = cli("plugins", "check", "chatty", "--json")
    (checked,) = json.loads(done.stdout)
    assert [result["check"] for result in checked["checks"] if result["state"] == "fail"] == []


def test_the_package_of_a_type_is_chosen_by_the_environment(cli, tmp_path, monkeypatch):
    site = tmp_path / "site"
    lay_out(site, "third", f"{DRIVER}pass", offers("bootstrappers", "debian", "third:Driver"))
    monkeypatch.setenv("PYTHONPATH", str(site))
    refused = cli("plan", "images/debian")
    assert refused.returncode == 8
    assert "labwright-debian, third" in " ".join(refused.stderr.split())
    assert "LABWRIGHT_DEBIAN_PLUGIN=" in refused.stderr
    assert cli("plan", "images/debian", LABWRIGHT_DEBIAN_PLUGIN="labwright-debian").returncode == 0
    listed = json.loads(cli("plugins", "list", "--json", LABWRIGHT_DEBIAN_PLUGIN="third").stdout)
    debian = {one["package"]: one["health"] for one in listed if one["type"] == "debian"}
    assert debian["third"] == "ready"
    assert "not chosen" in [one["health"] for one in listed if one["package"] == "labwright-debian"]
