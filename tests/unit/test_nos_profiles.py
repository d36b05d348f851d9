"""Profiles: what they say, and every kind of mistake in one, found when it is read and named with its line."""

from __future__ import annotations

import json
import re
import textwrap
import time
from pathlib import Path

import pytest
from support.builds import REPOSITORY

from labwright.errors import Cause, LabwrightError
from labwright.vm.device import DeviceSpec, Place, command_line
from labwright_nos import profile as profile_package
from labwright_nos.dialogue.console import LONGEST
from labwright_nos.profile import Profile, load_profile
from labwright_nos.profile.model import DONE
from labwright_nos.profile.schema import keys, profile_schema
from labwright_nos.profile.values import FILE_NAMES, NAMES
from labwright_nos.testing import play, usual

PROFILES = Path(profile_package.__file__).parents[1] / "profiles"
TWELVE = (
    "vqfx", "vsrx", "vjunos-switch", "veos", "csr1000v", "iosv", "xrv9k", "nxosv9k", "cumulus-vx", "vyos", "sros",
    "sonic-vs",
)  # fmt: skip
ALL = sorted(path.stem for path in PROFILES.glob("*.yaml"))
PAGE = REPOSITORY / "docs/nos-profiles.md"
GOOD = """\
name: lab-os
title: A system for tests
hardware:
  machines: [{name: box, memory: 128}]
interfaces:
  management: eth0
  data: {name: "eth{number}"}
console:
  prompts:
    shell: '^[$] $'
  credentials:
    - {user: admin, password: '{{ ssh_password }}'}
  states:
    - state: power-on
      answers:
        - {expect: 'login: $', send: '{{ user }}', next: password}
    - state: password
      answers:
        - {expect: 'Password: $', send: '{{ password }}'}
        - {notice: 'Login incorrect', refused: true, next: power-on}
        - {prompt: shell, next: work}
    - state: work
      commands:
        prompt: shell
        lines: |
          name {{ hostname }}
      next: done
"""


def read(tmp_path: Path, text: str) -> Profile:
    path = tmp_path / "lab-os.yaml"
    path.write_text(text)
    return load_profile(path)


def mistakes(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(LabwrightError) as caught:
        read(tmp_path, text)
    assert caught.value.cause is Cause.CONFIG
    assert "docs/nos-profiles.md" in caught.value.hint
    said = [caught.value.what, *caught.value.details]
    return [line.replace(f"{tmp_path}/", "") for line in said]


@pytest.mark.parametrize("name", ALL)
def test_a_profile_of_this_package_is_one_and_is_called_as_its_file(name):
    profile = load_profile(PROFILES / f"{name}.yaml")
    assert profile.name == name
    assert profile.hardware.ports["ssh"] == 22
    text = (PROFILES / f"{name}.yaml").read_text()
    assert text.startswith("# "), "its first line says where it comes from"
    assert max(map(len, text.splitlines())) <= 160


@pytest.mark.parametrize("name", TWELVE)
def test_a_profile_that_nobody_tried_says_so(name):
    profile = load_profile(PROFILES / f"{name}.yaml")
    assert profile.tested == ""
    assert profile.limits
    assert "untested" in (PROFILES / f"{name}.yaml").read_text().splitlines()[0]


def test_the_twelve_are_all_there():
    assert set(ALL) == {*TWELVE, "frr"}


@pytest.mark.parametrize("name", ALL)
def test_qemu_gets_a_whole_command_line_for_each_machine(name, tmp_path, monkeypatch):
    monkeypatch.setattr("labwright.vm.device.find_ovmf", lambda: (Path("code"), Path("variables")))
    profile = load_profile(PROFILES / f"{name}.yaml")
    disks = {disk.name: tmp_path / disk.name for disk in profile.hardware.disks}
    spec = DeviceSpec(name, profile.hardware, disks, "tcg", 2)
    for machine in profile.hardware.machines:
        words = command_line(spec, machine, Place(tmp_path, tmp_path, machine.name), disks)
        assert str(machine.memory) in words
        for value in machine.smbios:
            assert value in words
    assert sum(machine.nics.count("data") for machine in profile.hardware.machines) == 1


def test_interfaces_are_called_as_their_system_calls_them():
    named = {name: load_profile(PROFILES / f"{name}.yaml").interfaces.named(2) for name in ALL}
    assert named["vqfx"] == ("xe-0/0/0", "xe-0/0/1")
    assert named["veos"] == ("Ethernet1", "Ethernet2")
    assert named["csr1000v"] == ("GigabitEthernet2", "GigabitEthernet3")
    assert named["sonic-vs"] == ("Ethernet0", "Ethernet4")
    with pytest.raises(ValueError, match="at most 10"):
        load_profile(PROFILES / "vsrx.yaml").interfaces.named(11)


@pytest.mark.parametrize("name", ALL)
def test_no_line_of_a_console_keeps_a_pattern_busy(name):
    """The worst that a console can say within the length that patterns look at."""
    profile = load_profile(PROFILES / f"{name}.yaml")
    signs = "a0 .-@#%$>/:(_["
    lines = [sign * LONGEST for sign in signs] + ["a-" * (LONGEST // 2), "root@" + "a" * 500, "a.a:" * 128]
    started = time.perf_counter()
    for pattern in patterns(profile):
        for line in lines:
            pattern.search(line)
    assert time.perf_counter() - started < 0.05 * len(patterns(profile))


def patterns(profile: Profile) -> list[re.Pattern[str]]:
    console = profile.console
    answers = [*console.always, *(answer for state in console.states for answer in state.all_answers)]
    texts = [*console.prompts.values(), *(sign for one in answers if (sign := one.expect or one.notice))]
    texts += [error for state in console.states if state.commands for error in state.commands.errors]
    return [re.compile(text) for text in texts]


@pytest.mark.parametrize("name", ALL)
def test_a_lost_prompt_is_asked_for_in_every_state_that_waits(name):
    """Without that, one byte lost on the line is the end of a build of an hour."""
    for state in load_profile(PROFILES / f"{name}.yaml").console.states:
        if state.answers and name != "frr":
            assert state.quiet, state.state
            assert state.quiet * state.retries >= 15, state.state


def test_a_good_profile_is_read(tmp_path):
    profile = read(tmp_path, GOOD)
    assert [state.state for state in profile.console.states] == ["power-on", "password", "work"]
    assert profile.console.states[-1].next == DONE


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("memory: 128", "memory: 128, memry: 1", "4: hardware.machines.0.memry: unknown key; did you mean 'memory'?"),
        ("prompts:\n", "promts:\n", "9: console.promts: unknown key; did you mean 'prompts'?"),
        ("{prompt: shell, next: work}", "{prompt: shel, next: work}",
         "21: console.states.answers.prompt: there is no prompt 'shel' in console.prompts"),
        ("next: work}", "next: wrok}", "21: console.states.answers.next: there is no state 'wrok'"),
        ("      next: done", "      next: finished", "27: console.states.next: there is no state 'finished'"),
        ("{{ hostname }}", "{{ hostnam }}",
         "25: console.states.commands.lines: nothing is called 'hostnam' here; there are: config_password"),
        ("{{ hostname }}", "{{ hostname", "25: console.states.commands.lines: not a Jinja2 template: line 1 of it"),
        ("{{ hostname }}", "{{ seen.image }}",
         "25: console.states.commands.lines: no pattern has a group (?P<image>...)"),
        ("'{{ ssh_password }}'", "'{{ password }}'",
         "12: console.credentials.password: nothing is called 'password' here"),
        ("'Login incorrect'", "'Login (incorrect'",
         "20: console.states.1.answers.1.notice: not a regular expression: missing )"),
        ("'Login incorrect'", "'(Login)*'", "20: console.states.1.answers.1.notice: this matches an empty line"),
        ("'Login incorrect'", "'.'", "20: console.states.1.answers.1.notice: this matches whatever the device says"),
        ("'Login incorrect'", "'(\\w+ ?)+!'", "20: console.states.1.answers.1.notice: a repetition of a repetition"),
        ("'Login incorrect'", '"Login\\nincorrect"',
         "20: console.states.1.answers.1.notice: patterns look at one line"),
        ("'Password: $'", "'Password: '",
         "19: console.states.1.answers.0.expect: a question is what a line ends with: end the pattern with $"),
        ("'^[$] $'", "'^[$] '", "10: console.prompts.shell: a question is what a line ends with"),
        ("state: work\n", "state: power-on\n", "22: console.states.state: two states are called 'power-on'"),
        ("next: work}", "next: done}", "22: console.states: no state leads to 'work'"),
        ("      next: done", "      next: work", "22: console.states: from 'work' nothing leads to 'done'"),
        ("refused: true, next: power-on", "next: power-on",
         "14: console.states: power-on -> password -> power-on is a loop that nothing ends"),
        ("{prompt: shell, next: work}", "{prompt: shell, notice: x, next: work}",
         "21: console.states.1.answers.2: exactly one of expect, prompt and notice is wanted"),
        ("refused: true, next: power-on", "reboot: true",
         "20: console.states.1.answers.1: after a reboot the dialogue goes on"),
        ("      next: done", "", "22: console.states.2: a state with commands says what comes next"),
        ('"eth{number}"', '"eth"', "7: interfaces.data.name: String should match pattern"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path, old, new, message):
    assert GOOD.count(old) == 1
    said = mistakes(tmp_path, GOOD.replace(old, new))
    assert any(line.startswith(f"lab-os.yaml:{message}") for line in said), said


def test_a_port_that_is_nowhere_is_named(tmp_path):
    said = mistakes(tmp_path, f"{GOOD}napalm: {{driver: ios, port: netconf}}\n")
    assert said == ["lab-os.yaml:28: napalm.port: there is no port 'netconf' in hardware.ports"]


def test_the_login_of_a_dialogue_is_none_of_a_configuration(tmp_path):
    said = mistakes(tmp_path, f"{GOOD}napalm: {{driver: ios, configuration: 'secret {{{{ password }}}}'}}\n")
    assert said[0].startswith("lab-os.yaml:28: napalm.configuration: nothing is called 'password' here; there are: ")


def test_all_mistakes_come_at_once(tmp_path):
    said = mistakes(
        tmp_path, GOOD.replace("hostname }}", "hostnam }}").replace("prompt: shell, next", "prompt: shel, next")
    )
    assert len(said) == 2
    assert [int(line.split(":")[1]) for line in said] == [21, 25]


def test_a_name_that_only_files_have_is_refused_elsewhere(tmp_path):
    assert "nothing is called 'file' here" in mistakes(tmp_path, GOOD.replace("{{ hostname }}", "{{ file }}"))[0]


def test_the_page_explains_every_key():
    text = PAGE.read_text()
    described = re.findall(r"^\| ((?:`[\w.]+`(?:, )?)+) \|", text, re.MULTILINE)
    named = {name for cell in described for name in re.findall(r"`([\w.]+)`", cell)}
    assert set(keys()) - named == set(), "keys that the page does not explain"
    assert named - set(keys()) - set(ALL) == {*NAMES, *FILE_NAMES} - set(keys()), "names on the page that nothing has"


def test_the_page_lists_the_profiles_as_they_are():
    rows = {
        name: (title, tested)
        for name, title, tested in re.findall(r"^\| `([\w-]+)` \| (.+?) \| (.*?) \|$", PAGE.read_text(), re.MULTILINE)
    }
    for name in ALL:
        profile = load_profile(PROFILES / f"{name}.yaml")
        assert rows[name] == (profile.title, profile.tested or "a simulated console only")


ACME = """\
name: acme
title: Acme router
hardware: {machines: [{name: box, memory: 128}]}
interfaces: {management: m0, data: {name: "e{number}"}}
console:
  prompts: {user: '^[a-z]+> $', admin: '^[a-z]+# $'}
  states:
    - state: power-on
      quiet: 5
      answers:
        - {expect: 'login: $', send: acme}
        - {prompt: user, next: work}
    - state: work
      commands:
        prompt: admin
        errors: ['^% Unknown']
        lines: |
          enable
          user {{ ssh_user }} {{ ssh_password }}
          save
      next: done
  always:
    - {notice: Acme boot loader, reboot: true, next: power-on}
    - {expect: 'login: $', send: '', reboot: true, next: power-on}
shutdown: {how: quit}
"""


def test_the_device_on_the_page_plays_its_part(tmp_path):
    blocks = re.findall(r"(?:^    .*\n|^\n)+", PAGE.read_text().partition("## Write your own")[2], re.MULTILINE)
    example = textwrap.dedent(next(block for block in blocks if "labwright_nos.testing" in block))
    code = example.partition("@pytest")[0]
    found: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), found)
    (tmp_path / "acme.yaml").write_text(ACME)
    profile = load_profile(tmp_path / "acme.yaml")
    for race in usual():
        play(profile, found["ACME"], [race]).check()
    (tmp_path / "acme.yaml").write_text(ACME.replace("          save\n", ""))
    outcome = play(load_profile(tmp_path / "acme.yaml"), found["ACME"])
    assert outcome.missing == ("the learner's user is not saved",)


def test_the_schema_for_editors_is_the_one_in_docs():
    """Make it again with: .venv/bin/python -m labwright_nos.profile.schema > docs/nos-profile.schema.json"""
    assert json.loads((REPOSITORY / "docs/nos-profile.schema.json").read_text()) == profile_schema()
