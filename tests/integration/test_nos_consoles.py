"""Each profile against the simulated device of its system, with every race that users met: the real engine and real
time limits on a simulated clock.
"""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
from support.consoles import DEVICES
from support.consoles.linux import FRR
from support.consoles.sros import SROS_23

from labwright.errors import Cause
from labwright_nos import profile as profile_package
from labwright_nos.dialogue.console import SocketWire
from labwright_nos.profile import Profile, load_profile
from labwright_nos.profile.model import Credentials
from labwright_nos.testing import GIVEN, Memory, Restart, Say, Storm, play, usual
from labwright_nos.testing.play import play_on, served
from labwright_nos.testing.races import OutOfOrder, Race, Reboots, Slow, Wrapped
from labwright_nos.testing.wire import SimulatedWire

PROFILES = Path(profile_package.__file__).parents[1] / "profiles"
NAMES = sorted(DEVICES)
RACES = [race.name for race in usual()]
NO_LOGIN = {(name, race) for name in ("csr1000v", "iosv") for race in ("reboot, login", "reboot, password")}
NO_PASSWORD = {(name, "reboot, password") for name in ("veos", "vsrx", "vjunos-switch")}
UNMET = NO_LOGIN | NO_PASSWORD | {(name, "none") for name in NAMES}
"""Races that cannot happen: these ask for no login, or for no password, at their first boot."""
STORMS = 6
WRONG = Credentials(user="operator", password="not-this-one")


def the(name: str) -> Profile:
    return load_profile(PROFILES / f"{name}.yaml")


def race_of(name: str) -> Race:
    return next(race for race in usual() if race.name == name)


def without(profile: Profile, line: str) -> Profile:
    """The same, with one command missing."""
    states = []
    for state in profile.console.states:
        lines = state.commands.lines if state.commands else ""
        if line in lines:
            kept = "\n".join(one for one in lines.splitlines() if line not in one)
            state = state.model_copy(update={"commands": state.commands.model_copy(update={"lines": kept})})
        states.append(state)
    console = profile.console.model_copy(update={"states": tuple(states)})
    assert console.states != profile.console.states, f"no command has {line}"
    return profile.model_copy(update={"console": console})


@pytest.mark.parametrize("race", RACES)
@pytest.mark.parametrize("name", NAMES)
def test_the_device_is_as_it_should_be_whatever_happens_on_its_console(name, race):
    outcome = play(the(name), DEVICES[name], [race_of(race)]).check()
    assert (race in outcome.happened) == ((name, race) not in UNMET)
    if race == "none":
        assert outcome.seconds < DEVICES[name].most
    assert GIVEN["ssh_password"] not in outcome.transcript


@pytest.mark.parametrize("race", RACES)
def test_the_other_command_line_of_sr_os(race):
    """From release 23 on the first login is to the model-driven one."""
    assert "model-driven" in play(the("sros"), SROS_23, [race_of(race)]).check().states


def test_a_console_that_loses_characters_is_typed_to_slowly():
    profile = the("iosv")
    console = profile.console.model_copy(update={"pace": 0.02})
    slow = play(profile.model_copy(update={"console": console}), DEVICES["iosv"]).check()
    assert slow.seconds > play(profile, DEVICES["iosv"]).seconds + 5


@pytest.mark.parametrize("race", [race.name for race in usual() if not isinstance(race, Slow | OutOfOrder)])
def test_the_one_that_runs_for_real_holds_against_them_too(race):
    """But for slow boots: its time limits are those of an image that boots in seconds."""
    play(the("frr"), FRR, [race_of(race)]).check()


@pytest.mark.parametrize("name", NAMES)
def test_a_reboot_at_any_question_costs_time_and_nothing_else(name):
    profile, device = the(name), DEVICES[name]
    met = 0
    for kind in ("command", "login", "password", "question"):
        for number in itertools.count(1):
            outcome = play(profile, device, [Reboots(kind, number, f"reboot at {kind} {number}")])
            if not outcome.happened:
                break
            if outcome.error and profile.shutdown.how == "command":
                assert "started again instead of switching off" in outcome.error.what
                continue
            outcome.check()
            met += 1
    assert met > 10


@pytest.mark.parametrize("seed", range(STORMS))
@pytest.mark.parametrize("name", NAMES)
def test_noise_anywhere_and_prompts_lost_doubled_and_broken(name, seed):
    assert play(the(name), DEVICES[name], [Storm(seed)]).check().happened


@pytest.mark.parametrize("name", NAMES)
def test_several_races_at_once(name):
    races = [Storm(100, 0.1), Slow(), Wrapped(), Reboots("command", 5, "reboot")]
    assert len(play(the(name), DEVICES[name], races).check().happened) == len(races)


@pytest.mark.parametrize("name", sorted(name for name, device in DEVICES.items() if device.logins))
def test_a_login_that_is_refused_is_followed_by_the_next_one(name):
    profile = the(name)
    first = play(profile, DEVICES[name], logins=[WRONG])
    if name == "xrv9k":
        # Its first user is ours, whatever logins are named; the second one that is tried is it.
        known = [Credentials(user=GIVEN["ssh_user"], password=GIVEN["ssh_password"])]
    else:
        known = list(profile.console.credentials)
    outcome = play(profile, DEVICES[name], logins=[WRONG, *known]).check()
    assert WRONG.user in outcome.typed
    assert first.error is not None
    assert first.error.cause is Cause.GUEST
    assert "no login was taken; tried: operator" in first.error.what
    assert "build.login" in first.error.hint
    assert any("ogin" in line or "Authentication failed" in line for line in first.error.details)
    assert WRONG.password not in first.transcript + first.error.what + str(first.error.details)


LOST = {
    "vqfx": "root-authentication", "vsrx": "netconf ssh", "vjunos-switch": "auto-image-upgrade", "veos": "write memory",
    "csr1000v": "crypto key", "iosv": "transport input", "xrv9k": "commit", "nxosv9k": "boot nxos",
    "cumulus-vx": "usermod --password", "vyos": "save", "sros": "admin save", "sonic-vs": "config save",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_that_forgets_a_command_does_not_pass(name):
    """The simulated device is no yes-man: it notices what is missing, or refuses what depends on it."""
    outcome = play(without(the(name), LOST[name]), DEVICES[name])
    assert outcome.error or outcome.missing
    with pytest.raises(AssertionError, match=name):
        outcome.check()


def test_the_check_of_passwords_is_switched_off_first_where_the_question_about_it_got_lost():
    """Enter took it on; the platform's password would be refused then."""
    profile, races = the("nxosv9k"), [race_of("prompt lost")]
    assert "strong" in play(profile, DEVICES["nxosv9k"], races).check().states
    error = play(without(profile, "no password strength-check"), DEVICES["nxosv9k"], races).error
    assert error is not None
    assert "was refused: password is weak" in error.what


@pytest.mark.parametrize(("name", "line"), [("iosv", "no ip domain lookup"), ("vsrx", "set system services ssh")])
def test_a_misspelt_command_is_named_with_the_words_of_the_device(name, line):
    profile = the(name)
    states = [
        state
        if state.commands is None
        else state.model_copy(
            update={
                "commands": state.commands.model_copy(
                    update={"lines": state.commands.lines.replace(line, f"{line[:5]}x")}
                )
            }
        )
        for state in profile.console.states
    ]
    broken = profile.model_copy(update={"console": profile.console.model_copy(update={"states": tuple(states)})})
    error = play(broken, DEVICES[name]).error
    assert error is not None
    assert f"`{line[:5]}x" in error.what
    assert "was refused: " in error.what


@pytest.mark.parametrize("name", ["iosv", "sonic-vs"])
def test_the_same_over_a_real_socket_in_real_time(name):
    profile, memory = the(name), Memory(GIVEN)
    wire = SimulatedWire(DEVICES[name], memory)
    with served(wire, speed=60) as connection:
        play_on(SocketWire(connection), wire, profile, ["socket"], memory, factor=1 / 12).check()


def test_a_device_that_starts_again_and_again_is_given_up():
    class Crashes(Race):
        name = "crashes"

        def reboots(self, ask):
            return ask.kind == "command"

    error = play(the("veos"), DEVICES["veos"], [Crashes()]).error
    assert error is not None
    assert "the device started again" in error.what
    assert "memory" in error.hint


def test_a_device_that_crashes_before_its_first_question_is_given_up_at_the_time_limit():
    device = dataclasses.replace(DEVICES["iosv"], program=_crashes)
    outcome = play(the("iosv"), device)
    assert outcome.error is not None
    assert "state power-on" in outcome.error.what
    assert outcome.seconds < 700


def _crashes(memory):
    yield Say("GNU GRUB  version 2.02\nException: TLB miss\n", 20)
    yield Restart()


def test_a_licence_is_installed_by_the_commands_for_files():
    outcome = play(the("vsrx"), DEVICES["vsrx"]).check()
    assert outcome.memory is not None
    assert outcome.memory.running["licence"] == "/var/tmp/lw-0"
