"""Command lines of simulated devices: modes with their prompts and commands, and a small POSIX shell."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labwright_nos.testing.device import Ask, Memory, Program, Say

Action = Callable[["Cli", "re.Match[str]"], "str | Program | None"]
"""What a command does: a text is printed, a program goes on."""
ShellAction = Callable[["Shell", "re.Match[str]"], "str | int | Program | None"]
"""The same in a shell: a number is its exit status, as is what a program returns."""


@dataclass(frozen=True)
class Mode:
    """A mode of a command line. prompt: with {hostname}. commands: patterns of whole lines and what they do.

    parent: the mode whose commands are taken here too, and which they lead back to.
    """

    prompt: str
    commands: Sequence[tuple[str, Action]]
    parent: str = ""


@dataclass
class Cli:
    """A command line of a network operating system. It ends when mode is empty.

    refuse: the vendor's words for a line that it does not know. store: which part of the memory commands change.
    drawn: what a prompt looks like now, where it shows more than the host's name.
    """

    memory: Memory
    modes: Mapping[str, Mode]
    mode: str
    refuse: Callable[[str], str]
    hostname: str
    store: str = "running"
    drawn: Callable[[str, Memory], str] = lambda prompt, memory: prompt

    @property
    def settings(self) -> dict[str, Any]:
        """What commands change."""
        found: dict[str, Any] = getattr(self.memory, self.store)
        return found

    @property
    def prompt(self) -> str:
        """The prompt of now; a host name shows as soon as it runs."""
        name = self.memory.running.get("hostname", self.hostname)
        return self.drawn(self.modes[self.mode].prompt.replace("{hostname}", name), self.memory)

    def run(self) -> Program:
        """Ask for commands and do them."""
        while self.mode:
            line = yield Ask(self.prompt, kind="command")
            yield from self.do(line.strip())

    def do(self, line: str) -> Program:
        """One command."""
        if not line:
            return
        name = self.mode
        while name:
            for pattern, action in self.modes[name].commands:
                if match := re.fullmatch(pattern, line):
                    self.mode = name
                    done = action(self, match)
                    if isinstance(done, str):
                        yield Say(done)
                    elif done is not None:
                        yield from done
                    return
            name = self.modes[name].parent
        yield Say(self.refuse(line))


def goes(mode: str, text: str = "") -> Action:
    """The command leads to another mode; no name: it ends."""

    def action(cli: Cli, match: re.Match[str]) -> str | None:
        cli.mode = mode
        return text or None

    return action


def says(text: str = "", after: float = 0.0) -> Action:
    """The command prints something. after: seconds."""

    def action(cli: Cli, match: re.Match[str]) -> Program:
        yield Say(text, after)

    return action


def notes(key: str, value: Any = None, mode: str | None = None, text: str = "") -> Action:
    """The command sets something: to a value, or to its groups, or to True. mode: where it leads."""

    def action(cli: Cli, match: re.Match[str]) -> str | None:
        groups = match.groups()
        found: Any = True if not groups else groups[0] if len(groups) == 1 else groups
        cli.settings[key.format(*groups)] = found if value is None else value
        if mode is not None:
            cli.mode = mode
        return text or None

    return action


def forgets(key: str) -> Action:
    """The command takes something away."""

    def action(cli: Cli, match: re.Match[str]) -> None:
        cli.settings.pop(key.format(*match.groups()), None)

    return action


WORDS = re.compile(r"'[^']*'|\"[^\"]*\"|&&|\|\||;|[^;&|'\"]+|[&|]")
MARK = re.compile(r"printf '<%s-%s:%d>\\n' (\w+) (\w+) \$lw")
VARIABLE = re.compile(r"(\w+)=(\S*)")
QUIET = re.compile(r"\s*(?:\d?>\s*/dev/null|2>&1)")
WRITE = re.compile(r"(?:echo|printf '%s\\n') (?:'([^']*)'|\"([^\"]*)\"|(\S+))\s*(>>?)\s*(\S+)")


@dataclass
class Shell:
    """A POSIX shell as far as first boots use one: lists with ; && ||, $?, files by echo, and the given commands.

    files: what was written, by path. It is the device's to say which are kept.
    """

    memory: Memory
    prompt: str
    commands: Sequence[tuple[str, ShellAction]]
    name: str = "-bash"
    echo: bool = True
    status: int = 0
    open: bool = True
    variables: dict[str, str] = field(default_factory=dict)

    def run(self) -> Program:
        """Ask for commands and do them."""
        while self.open:
            line = yield Ask(self.prompt, echo=self.echo, kind="command")
            yield from self.do(line)

    def do(self, line: str) -> Program:
        """A list of commands."""
        command, skip = "", False
        for word in [*WORDS.findall(line), ";"]:
            if word not in {";", "&&", "||"}:
                command += word
                continue
            if command.strip() and not skip:
                yield from self._one(command.strip())
            skip = (word == "&&" and self.status != 0) or (word == "||" and self.status == 0)
            command = ""

    def _one(self, text: str) -> Program:
        if mark := MARK.fullmatch(text):
            yield Say(f"<{mark[1]}-{mark[2]}:{self.variables.get('lw', '')}>\n")
            self.status = 0
            return
        if variable := VARIABLE.fullmatch(text):
            self.variables[variable[1]] = variable[2].replace("$?", str(self.status))
            return
        quiet = bool(QUIET.search(text))
        text = QUIET.sub("", text).strip()
        if written := WRITE.fullmatch(text):
            files = self.memory.running.setdefault("files", {})
            old = files.get(written[5], "") if written[4] == ">>" else ""
            files[written[5]] = old + next(part for part in written.groups()[:3] if part is not None) + "\n"
            self.status = 0
            return
        for pattern, action in self.commands:
            if match := re.fullmatch(pattern, text):
                yield from self._done(action(self, match), quiet)
                return
        self.status = 127
        if not quiet:
            yield Say(f"{self.name}: {text.split()[0]}: command not found\n")

    def _done(self, done: str | int | Program | None, quiet: bool) -> Program:
        if isinstance(done, str):
            self.status = 0
            if not quiet:
                yield Say(done)
        elif isinstance(done, int) or done is None:
            self.status = done or 0
        else:
            code = yield from done
            self.status = code if isinstance(code, int) else 0
