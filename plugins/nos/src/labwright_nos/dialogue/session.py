"""What a dialogue knows and counts: values for templates, which login is tried, how often the device started again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from labwright.errors import Cause, LabwrightError
from labwright_nos.dialogue.console import Console
from labwright_nos.dialogue.watch import Rule
from labwright_nos.profile.model import Answer, Credentials, Profile
from labwright_nos.profile.values import names_in, rendered

UNASKED = 5
"""Refusals of one login that may have been for an Enter of ours."""
MOST = 200
"""Answers in one dialogue: more of them are a device that repeats itself."""


class Restarted(Exception):
    """The device leads to another state than the one that commands were for."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


@dataclass
class Session:
    """A console with a profile. values: for templates. factor: by which time limits are multiplied.

    logins: tried one after the other; a secret, no repr shows them. Those of the profile are templates.
    """

    profile: Profile
    console: Console
    values: Mapping[str, object] = field(repr=False)
    logins: Sequence[Credentials] = field(repr=False)
    say: Callable[[str], None]
    factor: float = 1.0
    login: int = 0
    refused: int = 0
    unasked: int = 0
    reboots: int = 0
    answers: int = 0
    tried: bool = False
    """Whether a vendor's password was typed since a login was last refused or taken."""
    nudged: bool = False
    """Whether Enter was pressed after silence, and nothing else since."""
    seen: dict[str, str] = field(default_factory=dict)
    """What named groups of patterns have caught."""
    untouched: bool = True
    """Whether nothing was typed since the device was last switched on: then its banners are no further reboot."""

    def __post_init__(self) -> None:
        known = {id(login) for login in self.profile.console.credentials}
        # Those of the profile are templates; in a password from elsewhere, braces are braces.
        self.logins = [self._filled(login) if id(login) in known else login for login in self.logins]

    def _filled(self, login: Credentials) -> Credentials:
        user, password = rendered(login.user, self.values), rendered(login.password, self.values)
        return Credentials(user=user, password=password)

    @property
    def settle(self) -> float:
        """Seconds of silence that make a last line a question. A slow device needs no more; a test may need less."""
        return self.profile.console.settle * min(1.0, self.factor)

    def render(self, template: str, more: Mapping[str, object] = MappingProxyType({})) -> str:
        """A template with the values of now. more: beside them."""
        login = self.logins[self.login % len(self.logins)] if self.logins else Credentials(user="admin")
        seen = {**dict.fromkeys(self.profile.console.caught, ""), **self.seen}
        now = {"user": login.user, "password": login.password, "seen": seen}
        return rendered(template, {**self.values, **now, **more})

    def rules(self, answers: Sequence[Answer]) -> list[Rule]:
        """The rules of a state's answers, and of those that hold everywhere."""
        return [self.rule(answer) for answer in (*answers, *self.profile.console.always)]

    def rule(self, answer: Answer) -> Rule:
        """The rule of one answer."""
        pattern = answer.expect or answer.notice or self.profile.console.prompts[answer.prompt or ""]
        asked = answer.expect[:-1] if answer.expect and answer.enter else ""
        return Rule(compiled(pattern), answer.notice is None, answer, compiled(asked) if asked else None)

    def give(self, answer: Answer, where: str, match: re.Match[str] | None = None) -> str | None:
        """Do what an answer says: the state to go to, None to stay. Raises LabwrightError where it cannot go on.

        match: what its pattern fitted.
        """
        self.answers += 1
        if match:
            self.seen.update({name: text for name, text in match.groupdict().items() if text is not None})
        if answer.failed:
            raise self.failure(f"{where}: the device cannot go on", answer.failed)
        if self.answers > MOST:
            raise self.failure(
                f"{where}: {MOST} answers were given, and the device asks on",
                "it repeats itself: look at the lines above, and make the profile's patterns narrower",
            )
        if answer.refused:
            self._next_login(where)
        if answer.reboot:
            self._count_reboot(where)
        if answer.send is not None:
            self.tried = self.tried or "password" in names_in(answer.send)
            self.untouched = self.nudged = False
            # A pager that asks again for its one key does mean it.
            self.console.answered = match.string if match and answer.enter else ""
            self.console.type(self.render(answer.send) + ("\r" if answer.enter else ""))
        return answer.next

    def nudge(self) -> None:
        """Press Enter after silence, for a prompt that got lost."""
        self.nudged = True
        self.console.type("\r")

    def begin_commands(self) -> None:
        """A login was taken: one that is refused later, after a reboot, is another matter."""
        self.refused = self.unasked = 0
        self.tried = self.nudged = self.untouched = False

    def failure(self, what: str, hint: str) -> LabwrightError:
        """An error of the device with the end of its console as evidence."""
        return LabwrightError(what, cause=Cause.GUEST, details=self.console.transcript.tail(), hint=hint)

    def _next_login(self, where: str) -> None:
        ours = self.nudged or not self.tried
        if ours and self.logins and self.unasked < UNASKED:
            # The device took an Enter of ours, for a prompt that got lost, as an answer: the login itself may be right.
            self.unasked += 1
        else:
            self.login += 1
            self.refused += 1
            self.unasked = 0
        self.tried = self.nudged = False
        if self.refused >= max(1, len(self.logins)):
            users = ", ".join(dict.fromkeys(login.user for login in self.logins)) or "nobody"
            raise self.failure(
                f"{where}: no login was taken; tried: {users}",
                "name the login of this image in build.login: user, and password as env:NAME or file:/path",
            )

    def _count_reboot(self, where: str) -> None:
        if self.untouched:
            return
        self.untouched, self.tried = True, False
        self.reboots += 1
        if self.reboots > self.profile.console.reboots:
            raise self.failure(
                f"{where}: the device started again {self.reboots} times",
                "it may crash: does it have the memory and the processor that it wants? See the lines above",
            )
        self.say("the device starts again")


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of a profile."""
    return re.compile(pattern)
