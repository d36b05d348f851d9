"""The driver's way to the device: shell, scripts, sudo and options."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napalm.base.exceptions import ConnectionException

from napalm_frr import device
from napalm_frr.device import Device
from napalm_frr.options import Options
from napalm_frr.transport import Answer


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_no_value_is_ever_obeyed_by_the_devices_shell(value: str) -> None:
    program = device.assignments({"x": value}) + 'printf "%s" "$x"'
    done = subprocess.run(["sh", "-c", program], capture_output=True, check=True)
    assert done.stdout == value.encode()


def test_the_scripts_for_the_device_come_with_the_package_and_are_plain_shell() -> None:
    for name in ("commit", "compare", "confirm", "facts", "load", "pending", "rollback", "startup", "timer"):
        for shell in (["dash"], ["bash", "--posix"]):
            done = subprocess.run(
                [*shell, "-n"], input=device.script(name), text=True, capture_output=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, ""), name


class Recorder:
    """A device on which FRR answers only with sudo."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def open(self) -> None:
        self.commands.clear()

    def close(self) -> None:
        pass

    def alive(self) -> bool:
        return True

    def run(self, argv, stdin=b"", timeout=60):  # type: ignore[no-untyped-def]
        self.commands.append(list(argv))
        if argv[-2:] == ["id", "-u"]:
            return Answer(0, "1000\n", "")
        return Answer(0, "", "") if argv[0] == "sudo" else Answer(1, "", "Exiting: failed to connect to any daemons.")


def test_sudo_is_tried_only_when_frr_does_not_answer_without_it() -> None:
    recorder = Recorder()
    Device(recorder, Options(netns="r1"), 60).open()
    assert [command[:5] for command in recorder.commands] == [
        ["ip", "netns", "exec", "r1", "env"],
        ["ip", "netns", "exec", "r1", "env"],
        ["sudo", "-n", "--", "ip", "netns"],
    ]
    with pytest.raises(ConnectionException, match="frrvty"):
        Device(Recorder(), Options(sudo=False), 60).open()
    recorder = Recorder()
    Device(recorder, Options(sudo=True), 60).open()
    assert all(command[0] == "sudo" for command in recorder.commands)


def test_options_of_other_drivers_are_passed_over_and_impossible_ones_are_not() -> None:
    assert Options.parse({"secret": "x", "port": 2222}).port == 2222
    assert Options.parse({"pathspace": "r1"}).sockets == "/var/run/frr/r1"
    assert Options.parse({"pathspace": "r1"}).config == "/etc/frr/r1"
    for wrong in (
        {"transport": "telnet"},
        {"sudo": "x"},
        {"sudo": 1},
        {"pathspace": "../x"},
        {"pathspace": "a", "config_dir": "b"},
    ):
        with pytest.raises(ValueError, match="optional_args"):
            Options.parse(wrong)


def test_the_package_says_whose_it_is_and_brings_its_license() -> None:
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "plugins/napalm-frr/pyproject.toml").read_text())["project"]
    assert {"authors", "classifiers", "license", "license-files"} <= project.keys()
    assert (root / "plugins/napalm-frr/LICENSE").read_text() == (root / "LICENSE").read_text()
