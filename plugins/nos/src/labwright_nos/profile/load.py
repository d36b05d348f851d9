"""Reads a profile. What the schema cannot say is checked here, all of it before anything boots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.spec.document import Document, Location, read_document
from labwright_nos.profile.graph import endless, stuck, unreachable
from labwright_nos.profile.model import DONE, Answer, Commands, Profile
from labwright_nos.profile.values import DIALOGUE_NAMES, FILE_NAMES, NAMES, seen_in, unknown_names

HINT = "docs/nos-profiles.md explains each key"


def load_profile(path: Path) -> Profile:
    """The profile in a file. Raises LabwrightError (config) with every mistake, each with its line."""
    document = read_document(path, Profile, absent="name the profile's YAML file", help_=HINT)
    said = sorted(set(_mistakes(document)), key=lambda one: one[0])
    if said:
        raise LabwrightError(said[0][1], cause=Cause.CONFIG, details=[text for _, text in said[1:]], hint=HINT)
    return document.value


def _mistakes(document: Document[Profile]) -> Iterator[tuple[int, str]]:
    for place, what in (*_names(document.value), *_templates(document.value), *_graph(document.value)):
        text = document.mistake(place, what, HINT).what
        yield int(text[len(str(document.path)) + 1 :].partition(":")[0]), text


def _answers(profile: Profile) -> Iterator[tuple[Location, Answer]]:
    """Every answer, with its place."""
    for index, answer in enumerate(profile.console.always):
        yield ("console", "always", index), answer
    for number, state in enumerate(profile.console.states):
        for index, answer in enumerate(state.answers):
            yield ("console", "states", number, "answers", index), answer
    for place, commands in _commands(profile):
        for index, answer in enumerate(commands.answers):
            yield (*place, "answers", index), answer


def _commands(profile: Profile) -> Iterator[tuple[Location, Commands]]:
    """Every block of commands, with its place."""
    for number, state in enumerate(profile.console.states):
        if state.commands:
            yield ("console", "states", number, "commands"), state.commands
    if profile.files:
        yield ("files", "install"), profile.files.install
    if profile.seal:
        yield ("seal",), profile.seal
    if profile.shutdown.commands:
        yield ("shutdown", "commands"), profile.shutdown.commands


def _names(profile: Profile) -> Iterator[tuple[Location, str]]:
    """Names that stand for nothing."""
    prompts = profile.console.prompts
    states = {state.state for state in profile.console.states} | {DONE}
    used = [((*place, "prompt"), answer.prompt) for place, answer in _answers(profile) if answer.prompt]
    used += [((*place, "prompt"), commands.prompt) for place, commands in _commands(profile)]
    used += [(("ready", index, "prompt"), check.prompt) for index, check in enumerate(profile.ready)]
    for place, name in used:
        if name not in prompts:
            yield place, f"there is no prompt {name!r} in console.prompts"
    goes: list[tuple[Location, str | None]] = [((*place, "next"), answer.next) for place, answer in _answers(profile)]
    goes += [(("console", "states", index, "next"), state.next) for index, state in enumerate(profile.console.states)]
    for place, target in goes:
        if target is not None and target not in states:
            yield place, f"there is no state {target!r}"
    if profile.napalm and profile.napalm.port not in profile.hardware.ports:
        yield ("napalm", "port"), f"there is no port {profile.napalm.port!r} in hardware.ports"


def _templates(profile: Profile) -> Iterator[tuple[Location, str]]:
    """Templates that cannot be rendered."""
    found: list[tuple[Location, str, dict[str, str]]] = [
        ((*place, "send"), answer.send, NAMES) for place, answer in _answers(profile) if answer.send
    ]
    caught = set(profile.console.caught)
    general = {name: meaning for name, meaning in NAMES.items() if name not in DIALOGUE_NAMES}
    for number, login in enumerate(profile.console.credentials):
        for part in ("user", "password"):
            found.append((("console", "credentials", number, part), getattr(login, part), general))
    for place, commands in _commands(profile):
        found.append(((*place, "lines"), commands.lines, NAMES | (FILE_NAMES if place[0] == "files" else {})))
    if profile.napalm:
        found.append((("napalm", "configuration"), profile.napalm.configuration, general))
    for number, machine in enumerate(profile.hardware.machines):
        for name, text in machine.config.files.items() if machine.config else ():
            found.append((("hardware", "machines", number, "config", "files", name), text, general))
    for place, template, known in found:
        try:
            unknown = unknown_names(template, known)
        except ValueError as error:
            yield place, str(error)
            continue
        if unknown:
            yield place, f"nothing is called {unknown[0]!r} here; there are: {', '.join(sorted(known))}"
        for name in set(seen_in(template)) - caught:
            yield place, f"no pattern has a group (?P<{name}>...), so there is never a seen.{name}"


def _graph(profile: Profile) -> Iterator[tuple[Location, str]]:
    """States that cannot be reached or left, and loops that nothing ends."""
    console = profile.console
    numbers = {state.state: number for number, state in enumerate(console.states)}
    if len(numbers) < len(console.states):
        names = [state.state for state in console.states]
        twice = next(name for name in names if names.count(name) > 1)
        yield ("console", "states", numbers[twice], "state"), f"two states are called {twice!r}"
        return
    for name in unreachable(console):
        yield ("console", "states", numbers[name]), f"no state leads to {name!r}: remove it, or lead to it with next"
    for name in stuck(console):
        yield ("console", "states", numbers[name]), f"from {name!r} nothing leads to {DONE!r}"
    for loop in endless(console):
        way = " -> ".join([*loop, loop[0]])
        yield (
            ("console", "states", numbers[loop[0]]),
            (f"{way} is a loop that nothing ends: only a refused login or a reboot may lead back, and is counted"),
        )
