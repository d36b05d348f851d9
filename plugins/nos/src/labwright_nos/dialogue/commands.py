"""Commands on a console, one after the other, each looked at: its exit status in a shell, what it says elsewhere."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator, Mapping

from labwright.errors import LabwrightError
from labwright.host.clock import Deadline
from labwright_nos.dialogue.session import Restarted, Session, compiled
from labwright_nos.dialogue.watch import Patience, Rule, Watch
from labwright_nos.profile.model import Check, Commands

QUIET = 10.0
"""Seconds of silence after a command before we ask whether its prompt got lost."""
ECHO_SECONDS = 3.0
"""After which a prompt counts although the command was not echoed, where a device echoes nothing."""
ECHO = 16
"""Characters of an echo that are looked for: after some more, terminals wrap or scroll."""
HEAD = 40
"""Lines after a command among which its echo is looked for: it may be wrapped, or broken by others."""
COMMENT = "##"
SHOWN = 100


def run_commands(session: Session, commands: Commands, where: str, **values: object) -> None:
    """Type them. values: beside the session's, for templates. Raises LabwrightError (guest) naming the one that failed.

    Raises Restarted where an answer leads to another state.
    """
    for line in lines_of(session, commands, values):
        _run(session, commands, line, where)


def leave(session: Session, commands: Commands, where: str, ended: Callable[[], bool], seconds: float) -> bool:
    """Type commands the last of which takes the console along: whether it has ended within a time.

    What the last one asks is answered; where its question got lost, it is typed again. Raises LabwrightError (guest)
    where one of the others fails.
    """
    *lines, last = lines_of(session, commands, {})
    for line in lines:
        _run(session, commands, line, where)
    console, prompt = session.console, _prompt(session, commands.prompt)
    rules = session.rules(commands.answers)
    deadline = Deadline(seconds, console.clock)
    watch = Watch(console, where, _patience(session, seconds), session.say)
    console.type(f"{last}\r")
    while not ended():
        if deadline.expired:
            return False
        seen = watch.look(rules)
        if seen and seen.rule and seen.rule.answer:
            session.give(seen.rule.answer, where, seen.match)
            # Among the answers of these very commands it is the sign that the device goes down, as it should.
            if seen.rule.answer.reboot and not any(seen.rule.answer is own for own in commands.answers):
                raise session.failure(
                    f"{where}: the device started again instead of switching off", "run it again; see the lines above"
                )
        elif console.silent > QUIET * session.factor and not console.closed:
            # It may go just now.
            with contextlib.suppress(LabwrightError):
                console.type(f"{last}\r" if prompt.pattern.search(console.last) else "\r")
    return True


def _run(session: Session, commands: Commands, line: str, where: str) -> None:
    shown = session.console.transcript.masked(line)[:SHOWN]
    if commands.style == "shell":
        _in_shell(session, commands, line, f"{where}: `{shown}`")
    else:
        _in_cli(session, commands, line, f"{where}: `{shown}`")


def lines_of(session: Session, commands: Commands, values: Mapping[str, object]) -> Iterator[str]:
    """The commands, without comments and empty lines."""
    text = session.render(commands.lines, values)
    return (line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith(COMMENT))


def synchronise(session: Session, prompt: str, where: str, limit: float = 60.0) -> None:
    """Press Enter until the prompt is there: whatever came since the last time has been dealt with."""
    rules = [_prompt(session, prompt), *session.rules(())]
    watch = Watch(session.console, where, _patience(session, limit), session.say)
    session.console.listen(0.0)
    session.console.forget()
    session.console.type("\r")
    while True:
        seen = watch.next(rules)
        if seen.rule is rules[0]:
            return
        if seen.rule is None:
            session.nudge()
        elif seen.rule.answer and (state := session.give(seen.rule.answer, where, seen.match)):
            raise Restarted(state)


def answer_of(session: Session, command: str, prompt: str, where: str, limit: float = 60.0) -> list[str]:
    """What a command says, by lines, up to the next prompt."""
    commands = Commands(lines="x", prompt=prompt, limit=limit)
    said: list[str] = []
    _in_cli(session, commands, command, where, said)
    return said


def wait_ready(session: Session, check: Check, where: str) -> None:
    """Ask until the device shows that it is ready. Raises LabwrightError (guest)."""
    watch = Watch(session.console, where, _patience(session, check.limit), session.say)
    wanted = compiled(check.shows)
    synchronise(session, check.prompt, where)
    while True:
        said = answer_of(session, check.command, check.prompt, where, check.limit)
        if any(wanted.search(line) for line in said):
            return
        watch.pause(check.every, f"`{check.command}` shows no line like {check.shows!r}")


def _patience(session: Session, limit: float, quiet: float = QUIET) -> Patience:
    return Patience(limit * session.factor, session.settle, quiet * session.factor)


def _prompt(session: Session, name: str) -> Rule:
    return Rule(compiled(session.profile.console.prompts[name]), question=True)


def _in_cli(session: Session, commands: Commands, line: str, where: str, said: list[str] | None = None) -> None:
    """A command of a CLI: its echo, what it says, the prompt. A prompt before the echo is an older one."""
    console = session.console
    rules = [_prompt(session, commands.prompt), *session.rules(commands.answers)]
    watch = Watch(console, where, _patience(session, commands.limit), session.say)
    errors = [compiled(pattern) for pattern in commands.errors]
    output: list[str] = [] if said is None else said
    wanted = _squeezed(line)[:ECHO]
    console.forget()
    console.type(f"{line}\r")
    typed = console.received
    while True:
        seen = watch.next(rules, output.append)
        if seen.rule is None:
            session.nudge()
        elif seen.rule is rules[0]:
            echoed = wanted in _squeezed("".join(output[:HEAD]))
            # Where something came but the echo was broken by noise, the time decides.
            if echoed or (console.received > typed and watch.passed > ECHO_SECONDS * session.factor):
                break
            console.last = seen.match.string if seen.match else ""
            watch.pause(session.settle)
        elif seen.rule.answer and (state := session.give(seen.rule.answer, where, seen.match)):
            raise Restarted(state)
    own = [one for one in output if not wanted or wanted not in _squeezed(one)]
    failed = next((one for one in own if any(error.search(one) for error in errors)), None)
    if failed is not None:
        words = console.transcript.masked(failed.strip())[:SHOWN]
        raise session.failure(f"{where} was refused: {words}", "mend the command in the profile")


def _in_shell(session: Session, commands: Commands, line: str, where: str) -> None:
    """A command of a POSIX shell. Its end is a mark that its echo does not contain, with its exit status."""
    console = session.console
    one, two = secrets.token_hex(3), secrets.token_hex(3)
    ask = f"printf '<%s-%s:%d>\\n' {one} {two} $lw"
    rules = [Rule(re.compile(rf"<{one}-{two}:(\d+)>"), question=False), *session.rules(commands.answers)]
    watch = Watch(console, where, _patience(session, commands.limit), session.say)
    prompt = _prompt(session, commands.prompt)
    console.forget()
    console.type(f"{line}; lw=$?; {ask}\r")
    while True:
        seen = watch.next(rules)
        if seen.rule is None:
            # Where the prompt is back, the mark got lost in noise; the status is still known.
            console.type(f"{ask}\r" if prompt.pattern.search(console.last) else "\r")
            watch.pause(session.settle)
        elif seen.rule is rules[0]:
            break
        elif seen.rule.answer and (state := session.give(seen.rule.answer, where, seen.match)):
            raise Restarted(state)
    code = int(seen.match.group(1)) if seen.match else 0
    if code:
        raise session.failure(f"{where} failed (exit code {code})", "the lines above say why; mend the profile")
    while (seen := watch.next([prompt, *session.rules(())])).rule is not prompt:
        if seen.rule is None:
            session.nudge()
        elif seen.rule.answer and (state := session.give(seen.rule.answer, where, seen.match)):
            raise Restarted(state)


def _squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)
