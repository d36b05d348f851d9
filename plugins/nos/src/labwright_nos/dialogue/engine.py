"""The first boot: from power-on through the states of a profile to the end of its dialogue."""

from __future__ import annotations

from labwright_nos.dialogue.commands import run_commands
from labwright_nos.dialogue.session import Restarted, Session
from labwright_nos.dialogue.watch import Patience, Watch
from labwright_nos.profile.model import DONE, State


def first_boot(session: Session) -> list[str]:
    """Go through the states: their names in the order in which they came. Raises LabwrightError (guest).

    Every error names the state and shows the last lines of the console.
    """
    states = {state.state: state for state in session.profile.console.states}
    name = session.profile.console.states[0].state
    way = []
    while name != DONE:
        way.append(name)
        session.say(f"console: {name}")
        try:
            name = _act(session, states[name]) if states[name].commands else _wait(session, states[name])
        except Restarted as restarted:
            name = restarted.state
    return way


def _where(session: Session, state: State) -> str:
    return f"{session.profile.name}, state {state.state}"


def _act(session: Session, state: State) -> str:
    assert state.commands is not None
    assert state.next is not None
    # A login that was taken: one that is refused later, after a reboot, is another matter.
    session.refused = 0
    run_commands(session, state.commands, _where(session, state))
    return state.next


def _wait(session: Session, state: State) -> str:
    """Wait for an answer that leads on. Enter is pressed after silence, for a prompt that got lost."""
    console, factor = session.console, session.factor
    where = _where(session, state)
    patience = Patience(state.limit * factor, session.profile.console.settle, state.quiet * factor)
    watch = Watch(console, where, patience, session.say)
    rules = session.rules(state.answers)
    pressed = 0
    while True:
        seen = watch.next(rules)
        if seen.rule is None:
            if pressed < state.retries:
                console.type("\r")
                pressed += 1
            else:
                watch.stop_nudging()
        elif seen.rule.answer and (name := session.give(seen.rule.answer, where)):
            return name
