"""What a profile says: hardware, names of interfaces, console, readiness, NAPALM, how to switch it off."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from labwright.spec.hardware import Hardware
from labwright.spec.image import SLUG, Strict
from labwright_nos.profile.patterns import endless

NAME = r"^[a-z][a-z0-9-]{0,31}$"
DONE = "done"
"""The end of the first boot's dialogue."""


def _pattern(text: str) -> str:
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if compiled.search(""):
        raise ValueError("this matches an empty line, so it would match whatever the device says")
    if all(compiled.search(sign * 40) for sign in "~x7 "):
        raise ValueError("this matches whatever the device says: put a word of it in the pattern")
    if "\n" in text or r"\n" in text:
        raise ValueError("patterns look at one line: a line feed is never in it")
    if endless(text):
        raise ValueError(
            "a repetition of a repetition, such as (a+)+, may take for ever on a line that does not fit: "
            "repeat one of the two only"
        )
    return text


def _question(text: str) -> str:
    if not text.endswith("$") or text.endswith(r"\$"):
        raise ValueError("a question is what a line ends with: end the pattern with $")
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_pattern)]
Question = Annotated[Pattern, AfterValidator(_question)]
Template = Annotated[str, Field(max_length=20_000)]
Seconds = Annotated[float, Field(gt=0, le=7200, strict=False)]
"""With KVM; under emulation they are multiplied."""


class DataInterfaces(Strict):
    """How the data interfaces are called: Ethernet{number}, with a number that begins at `first`."""

    name: str = Field(pattern=r"^[^{}\x00-\x1f ]*\{number\}[^{}\x00-\x1f ]*$", description="With {number} in it.")
    first: Annotated[int, Field(ge=0, le=1000)] = Field(0, description="The number of the first one.")
    step: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="From one to the next.")
    most: Annotated[int, Field(ge=1, le=128)] = Field(8, description="How many it can have.")


class Interfaces(Strict):
    """Names of interfaces as the system calls them."""

    management: str = Field(pattern=r"^[A-Za-z0-9._/:-]{1,40}$", description="The one by which it is managed.")
    data: DataInterfaces = Field(description="The others, in bus order.")

    def named(self, count: int) -> tuple[str, ...]:
        """The names of the first data interfaces. Raises ValueError for more than there can be."""
        if count > self.data.most:
            raise ValueError(f"it has at most {self.data.most} data interfaces")
        numbers = (self.data.first + index * self.data.step for index in range(count))
        return tuple(self.data.name.replace("{number}", str(number)) for number in numbers)


class Credentials(Strict):
    """A login that the vendor's image knows. They are public; a secret one is named in build.login.

    In a profile both are templates: a first boot that has to set a password names its own for the next login.
    """

    user: str = Field(min_length=1, max_length=64, description="User.")
    password: str = Field("", max_length=128, description="Its password.")


class Answer(Strict):
    """What to do about something on the console. Exactly one of expect, prompt and notice.

    refused: the login was not taken; the next credentials are tried. reboot: the device starts again, so that commands
    begin anew. failed: the device says that it cannot go on.
    """

    expect: Question | None = Field(None, description="A question: the unfinished last line, nothing after it.")
    prompt: str | None = Field(None, pattern=NAME, description="The same, by a name in prompts.")
    notice: Pattern | None = Field(None, description="A line that passes by.")
    send: Template | None = Field(None, description="What is typed then, with Enter; a Jinja2 template.")
    enter: bool = Field(True, description="Whether Enter follows what is typed.")
    next: str | None = Field(None, pattern=NAME, description="The state to go to; without one it stays.")
    refused: bool = Field(False, description="The login was not taken.")
    reboot: bool = Field(False, description="The device starts again.")
    failed: str = Field("", max_length=200, description="The device cannot go on: what to do about it.")

    @model_validator(mode="after")
    def _one_sign(self) -> Answer:
        if sum(sign is not None for sign in (self.expect, self.prompt, self.notice)) != 1:
            raise ValueError("exactly one of expect, prompt and notice is wanted")
        if sum((self.refused, self.reboot, bool(self.failed))) > 1:
            raise ValueError("only one of refused, reboot and failed")
        if self.reboot and self.next is None:
            raise ValueError("after a reboot the dialogue goes on at some state: say which with next")
        if self.failed and (self.next or self.send):
            raise ValueError("nothing comes after failed")
        return self


class Commands(Strict):
    """Commands for the console. style shell: each one's exit status is looked at. style cli: its output is."""

    lines: Template = Field(description="One command a line, a Jinja2 template; lines that begin with ## are comments.")
    prompt: str = Field(pattern=NAME, description="The prompt after each, by its name in prompts.")
    style: Literal["cli", "shell"] = Field("cli", description="shell: a POSIX shell; cli: anything else.")
    errors: tuple[Pattern, ...] = Field((), description="Lines that say that a command failed (style cli).")
    answers: tuple[Answer, ...] = Field((), description="Questions that commands ask.")
    limit: Seconds = Field(60, description="For one command.")


class State(Strict):
    """A state of the first boot: it waits for one of its answers, or it has commands and goes to `next`."""

    state: str = Field(pattern=NAME, description="Its name.")
    answers: tuple[Answer, ...] = Field((), description="What may come, the first that fits is taken.")
    commands: Commands | None = Field(None, description="Commands in place of answers.")
    next: str | None = Field(None, pattern=NAME, description="The state after the commands.")
    limit: Seconds = Field(60, description="In all; then the dialogue has failed.")
    quiet: Annotated[float, Field(ge=0, le=600, strict=False)] = Field(
        0, description="Seconds of silence after which Enter is pressed, for a prompt that got lost; 0 for never."
    )
    retries: Annotated[int, Field(ge=0, le=100)] = Field(3, description="How often Enter is pressed.")

    @model_validator(mode="after")
    def _waits_or_acts(self) -> State:
        if bool(self.answers) == bool(self.commands):
            raise ValueError("a state has either answers or commands")
        if (self.next is None) == bool(self.commands):
            raise ValueError("a state with commands says what comes next; its answers do in one that waits")
        if self.state == DONE:
            raise ValueError(f"{DONE!r} is the end of the dialogue, no state of it")
        return self

    @property
    def all_answers(self) -> tuple[Answer, ...]:
        """Its own, or those of its commands."""
        return (*self.answers, *(self.commands.answers if self.commands else ()))

    @property
    def targets(self) -> tuple[str, ...]:
        """The states that may come after this one."""
        found = [answer.next for answer in self.all_answers if answer.next]
        return (*found, self.next) if self.next else tuple(found)


class Console(Strict):
    """The serial console. The first state is where power-on leads."""

    prompts: dict[Annotated[str, Field(pattern=NAME)], Question] = Field(description="Patterns of prompts by name.")
    credentials: tuple[Credentials, ...] = Field((), description="Logins of the vendor's image, tried in order.")
    states: tuple[State, ...] = Field(min_length=1, max_length=60, description="In the order of a boot that goes well.")
    always: tuple[Answer, ...] = Field((), description="What may come in every state: pagers, dialogs, reboots.")
    settle: Annotated[float, Field(ge=0.05, le=10, strict=False)] = Field(
        0.3, description="Seconds of silence after which the last line counts as a question."
    )
    pace: Annotated[float, Field(ge=0, le=0.5, strict=False)] = Field(
        0, description="Seconds between characters typed, for consoles that lose some."
    )
    reboots: Annotated[int, Field(ge=0, le=10)] = Field(2, description="How often it may start again meanwhile.")

    @property
    def caught(self) -> tuple[str, ...]:
        """The names of groups in the patterns of answers: templates have them as seen.NAME."""
        answers = [*self.always, *(answer for state in self.states for answer in state.all_answers)]
        patterns = [*self.prompts.values(), *(sign for one in answers if (sign := one.expect or one.notice))]
        return tuple(name for pattern in patterns for name in re.compile(pattern).groupindex)


class Check(Strict):
    """A command on the console that shows when the device is ready."""

    command: str = Field(min_length=1, max_length=300, description="Asked again until it shows that.")
    prompt: str = Field(pattern=NAME, description="The prompt after it.")
    shows: Pattern = Field(description="A line of its output.")
    limit: Seconds = Field(600, description="In all.")
    every: Seconds = Field(5, description="From one time to the next.")


class Napalm(Strict):
    """NAPALM's way in. configuration: what every image of this system gets, merged, as a Jinja2 template."""

    driver: str = Field(pattern=r"^[a-z0-9_.]{1,60}$", description="As napalm.get_network_driver() calls it.")
    port: str = Field("ssh", pattern=NAME, description="The name of a port of the hardware.")
    options: dict[str, str | int | bool] = Field({}, description="optional_args; `port` is set.")
    configuration: Template = Field("", description="A candidate that is merged into the running configuration.")
    limit: Seconds = Field(60, description="For one answer.")


class Files(Strict):
    """How private files such as licences get in: by SFTP as the image's user, and then commands on the console."""

    folder: str = Field("/var/tmp", pattern=r"^(/[A-Za-z0-9._-]+)+$", description="Where SFTP may write.")  # noqa: S108
    install: Commands = Field(description="For each file: {{ file }} where SFTP put it, {{ path }}, {{ owner }} ...")


class Shutdown(Strict):
    """How it is switched off. acpi: by its power button. command: by commands. quit: as pulling the plug."""

    how: Literal["acpi", "command", "quit"] = Field("acpi", description="acpi, command or quit.")
    commands: Commands | None = Field(None, description="What makes it power off.")
    limit: Seconds = Field(120, description="Until QEMU reports that it is off.")

    @model_validator(mode="after")
    def _commands_where_they_are_used(self) -> Shutdown:
        if (self.how == "command") != (self.commands is not None):
            raise ValueError("commands are wanted for how: command, and only there")
        return self


class Profile(Strict):
    """A network operating system. tested: what it was tried on, empty where only a simulated console plays it."""

    name: str = Field(pattern=SLUG, max_length=32, description="The image type.")
    title: str = Field(min_length=3, max_length=80, description="Vendor and product.")
    tested: str = Field("", max_length=200, description="What it was tried on; empty for nothing but a simulation.")
    limits: str = Field("", max_length=400, description="What is known not to work.")
    hardware: Hardware = Field(description="The machine.")
    interfaces: Interfaces = Field(description="Names of its interfaces.")
    console: Console = Field(description="The first boot.")
    ready: tuple[Check, ...] = Field((), description="Looked at after the dialogue, in this order.")
    napalm: Napalm | None = Field(None, description="NAPALM's driver; without one the console does everything.")
    files: Files | None = Field(None, description="How private files get in.")
    seal: Commands | None = Field(None, description="At the end: out with what copies must not share.")
    shutdown: Shutdown = Field(Shutdown(), description="How it is switched off.")
