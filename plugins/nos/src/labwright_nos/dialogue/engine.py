"""The first boot: from power-on through the states of a profile to the end of its dialogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from labwright_nos.dialogue.commands import run_commands
from labwright_nos.dialogue.session import Restarted, Session
from labwright_nos.dialogue.watch import Patience, Watch
from labwright_nos.profile.model import DONE, State

Result = TypeVar("Result")


def first_boot(session: Session, start: str = "") -> list[str]:
    """Go through the states: their names in the order in which they came. start: one of them in place of the first.

    Raises LabwrightError (guest). Every error names the state and shows the last lines of the console.
    """
    states = {state.state: state for state in session.profile.console.states}
    name = start or session.profile.console.states[0].state
    way = []
    while name != DONE:
        way.append(name)
        session.say(f"console: {name}")
        try:
            name = _act(session, states[name]) if states[name].commands else _wait(session, states[name])
        except Restarted as restarted:
            name = restarted.state
    return way


def set_up(session: Session, work: Callable[[], Result]) -> Result:
    """Do some work on a device after its first boot, again from its beginning where the device starts again meanwhile.

    Raises LabwrightError (guest).
    """
    while True:
        try:
            return work()
        except Restarted as restarted:
            first_boot(session, restarted.state)


def _where(session: Session, state: State) -> str:
    return f"{session.profile.name}, state {state.state}"


def _act(session: Session, state: State) -> str:
    assert state.commands is not None
    assert state.next is not None
    session.begin_commands()
    run_commands(session, state.commands, _where(session, state))
    return state.next


def _wait(session: Session, state: State) -> str:
    """Wait for an answer that leads on. Enter is pressed after silence, for a prompt that got lost."""
    factor = session.factor
    where = _where(session, state)
    patience = Patience(state.limit * factor, session.settle, state.quiet * factor)
    watch = Watch(session.console, where, patience, session.say)
    rules = session.rules(state.answers)
    pressed = 0
    while True:
        seen = watch.next(rules)
        if seen.rule is None:
            if pressed < state.retries:
                session.nudge()
                pressed += 1
            else:
                watch.stop_nudging()
        elif seen.rule.answer:
            reboots = session.reboots
            name = session.give(seen.rule.answer, where, seen.match)
            # One that leads to where it is must not renew the time limit: a device that repeats itself would keep us.
            if name and (name != state.state or session.reboots > reboots):
                return name
