"""What happens on the console after the first boot: readiness, files, the seal, and off."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from labwright_nos.dialogue.commands import leave, run_commands, synchronise, wait_ready
from labwright_nos.dialogue.engine import set_up
from labwright_nos.dialogue.session import Session
from labwright_nos.profile.model import Commands


def wait_until_ready(session: Session) -> None:
    """Every check of the profile, in its order. Raises LabwrightError (guest)."""
    profile = session.profile

    def work() -> None:
        for check in profile.ready:
            wait_ready(session, check, f"{profile.name}, ready")

    set_up(session, work)


def install_file(session: Session, facts: Mapping[str, object]) -> None:
    """The profile's commands for a file that is on the device. facts: for templates. Raises LabwrightError (guest)."""
    files = session.profile.files
    assert files is not None
    _commands(session, files.install, f"{session.profile.name}, {facts['path']}", facts)


def seal(session: Session) -> None:
    """Out with what copies must not share. Raises LabwrightError (guest)."""
    if session.profile.seal:
        _commands(session, session.profile.seal, f"{session.profile.name}, seal", {})


def shut_down(session: Session, commands: Commands, ended: Callable[[], bool], seconds: float) -> bool:
    """The commands that switch it off: whether it has ended within a time. Raises LabwrightError (guest)."""
    where = f"{session.profile.name}, shutdown"

    def work() -> bool:
        synchronise(session, commands.prompt, where)
        return leave(session, commands, where, ended, seconds)

    return set_up(session, work)


def _commands(session: Session, commands: Commands, where: str, values: Mapping[str, object]) -> None:
    def work() -> None:
        synchronise(session, commands.prompt, where)
        run_commands(session, commands, where, **values)

    set_up(session, work)
