"""The states of a dialogue as a graph: each can be reached, each leads to the end, and no loop goes on for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labwright_nos.profile.model import DONE, Console, State

Edges = Mapping[str, Sequence[str]]


def unreachable(console: Console) -> list[str]:
    """The states that nothing leads to from power-on, in their order."""
    anywhere = [answer.next for answer in console.always if answer.next]
    first = console.states[0].state
    seen = _reached(_edges(console), [first, *anywhere])
    return [state.state for state in console.states if state.state not in seen]


def stuck(console: Console) -> list[str]:
    """The states from which the end cannot be reached, in their order."""
    backwards: dict[str, list[str]] = {}
    for name, targets in _edges(console).items():
        for target in targets:
            backwards.setdefault(target, []).append(name)
    seen = _reached(backwards, [DONE])
    return [state.state for state in console.states if state.state not in seen]


def endless(console: Console) -> list[list[str]]:
    """Loops that no refused login and no reboot is part of: a device that repeats itself would keep us in them.

    Staying in a state is no loop: its time limit ends that.
    """
    edges = {state.state: [name for name in _free(state) if name != state.state] for state in console.states}
    loops: list[list[str]] = []
    for name in edges:
        if (loop := _way_back(edges, name)) and not any(set(loop) == set(known) for known in loops):
            loops.append(loop)
    return loops


def _free(state: State) -> list[str]:
    """The states after this one that are reached without a count."""
    counted = [answer.next for answer in state.all_answers if answer.next and (answer.refused or answer.reboot)]
    targets = list(state.targets)
    for name in counted:
        targets.remove(name)
    return targets


def _edges(console: Console) -> dict[str, list[str]]:
    return {state.state: list(state.targets) for state in console.states}


def _reached(edges: Edges, starts: Sequence[str]) -> set[str]:
    seen, waiting = set[str](), list(starts)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(edges.get(name, ()))
    return seen


def _way_back(edges: Edges, start: str) -> list[str]:
    """The shortest way from a state to itself; empty where there is none."""
    waiting = [[start]]
    seen = {start}
    for way in waiting:
        for name in edges.get(way[-1], ()):
            if name == start:
                return way
            if name not in seen:
                seen.add(name)
                waiting.append([*way, name])
    return []
