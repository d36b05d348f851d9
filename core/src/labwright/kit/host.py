"""A machine that a lesson configures: every block is a method, and none of them fails in silence."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labwright.errors import Cause
from labwright.kit import files, interfaces, local, users, waits
from labwright.kit.answer import Answer, Transport
from labwright.kit.errors import KitError, last_lines
from labwright.kit.files import File
from labwright.kit.service import Service

if TYPE_CHECKING:
    from labwright.kit.model import Node

SECONDS = 60.0
HOSTNAME = re.compile(r"(?=.{1,63}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
"""One label of a name (RFC 1123, 2.1): what fits every system's prompt."""
WAY_TO_ROOT = '[ "$(id -u)" != 0 ] || { echo root; exit; }; sudo -n sh -c : 2>/dev/null && echo free || echo password'
Command = str | Sequence[str | Path]


class Host:
    """What a script does to a machine. Made by kit.target() and kit.connect().

    interfaces: the names of its data interfaces, where they are known.
    """

    def __init__(
        self,
        transport: Transport,
        folders: Sequence[Path] = (),
        password: str | None = None,
        interfaces: Sequence[str] = (),
    ) -> None:
        self._transport = transport
        self._interfaces = tuple(interfaces)
        self._folders = tuple(folders)
        self._secrets = {password} if password else set()
        self._password = password
        self._root: str | None = None

    def __repr__(self) -> str:
        return f"Host({self.name!r})"

    @property
    def name(self) -> str:
        """How it was reached: a name or an address."""
        return self._transport.name

    def run(self, command: Command, *, check: bool = True, timeout: float = SECONDS, stdin: str = "") -> Answer:
        """Run a command as the user who logged in, and wait for its end.

        command: a list of words, which no shell changes; or a text, which is a line of shell. check: whether another
        exit status than 0 is an error. timeout: seconds. stdin: its standard input, the place for secrets.
        Raises KitError with the command, its exit status and its last lines.
        """
        return self._run(_line(command), "", check, timeout, stdin.encode(errors="surrogateescape"))

    def sudo(self, command: Command, *, check: bool = True, timeout: float = SECONDS, stdin: str = "") -> Answer:
        """The same as root, directly or by sudo, with the login's password where sudo wants one."""
        return self._sudo(_line(command), "", check, timeout, stdin.encode(errors="surrogateescape"))

    def script(
        self, file: str | Path, *arguments: str, sudo: bool = False, check: bool = True, timeout: float = SECONDS
    ) -> Answer:
        """Run a script of the lesson on the machine: it is sent there, run in its user's home, and removed.

        It is run by what its first line names, else by sh. Raises KitError.
        """
        path = local.find(file, self._folders)
        words = ["sh", "-c", _script("run"), "run", *arguments]
        run = self._sudo if sudo else self._run
        return run(shlex.join(words), shlex.join([path.name, *arguments]), check, timeout, local.read(path))

    def put(
        self,
        sources: Mapping[str, str] | Iterable[File],
        *,
        owner: str = "root:root",
        mode: str = "0644",
        timeout: float = SECONDS,
    ) -> tuple[str, ...]:
        """Put files of the lesson in their places, all of them or none; the places that have changed.

        sources: a file or a pattern of the lesson, and its place; one that ends with / is a folder. Or a list of
        kit.File, each with an owner and a mode of its own. owner: USER or USER:GROUP. mode: octal. Each place is
        replaced at once, by a file beside it. Raises KitError.
        """
        chosen = files.chosen(sources, owner, mode, self._folders)
        return files.put(self, chosen, timeout)

    def put_tree(
        self, folder: str | Path, place: str, *, owner: str = "root:root", mode: str | None = None
    ) -> tuple[str, ...]:
        """Put all files below a folder of the lesson below a place; the places that have changed.

        mode: by default 0755 for what is executable, and 0644. Missing folders are made. Raises KitError.
        """
        return files.put(self, files.tree(local.find(folder, self._folders), place, owner, mode), SECONDS)

    def text(self, place: str, content: str, *, owner: str = "root:root", mode: str = "0644") -> bool:
        """Put a text in its place; whether anything has changed. Raises KitError."""
        return bool(self.put([File(place, content.encode(errors="surrogateescape"), owner, mode)]))

    def hostname(self, name: str) -> bool:
        """Give it a host name, now and at every start, and in /etc/hosts; whether anything has changed."""
        if not HOSTNAME.fullmatch(name):
            raise KitError(
                f"{name!r} is not a host name", cause=Cause.CONFIG, hint="use letters, digits and -, at most 63"
            )
        return self.root_script("hostname", name).output.strip() == "changed"

    def user(
        self,
        name: str,
        password: str | None = None,
        groups: Iterable[str] = (),
        keys: Iterable[str] = (),
        shell: str = "/bin/bash",
    ) -> bool:
        """There is a user with this password, in these groups beside its own, with these public keys.

        Whether anything has changed. Raises KitError.
        """
        if password:
            self._secrets.add(password)
        changed = users.user(self, name, password, tuple(groups), shell)
        return self.keys(name, keys) or changed

    def keys(self, user: str, keys: Iterable[str]) -> bool:
        """These public keys let the user in, beside those that do; whether anything has changed. Raises KitError."""
        return users.keys(self, user, tuple(keys))

    def service(self, name: str) -> Service:
        """A service of systemd's: start, restart, reload, stop, wait."""
        return Service(self, name)

    def wait_for(
        self, condition: Command | Callable[[], object], timeout: float = SECONDS, every: float = 1.0, what: str = ""
    ) -> object:
        """Until a command succeeds, or a function returns something true. Raises KitError with the last evidence."""
        if callable(condition):
            return waits.wait_for(condition, timeout, every, what or f"the condition on {self.name}")
        line = _line(condition)
        answer = Answer(1, "", "")

        def asked() -> object:
            nonlocal answer
            answer = self.run(line, check=False, timeout=max(timeout, 1.0))
            if answer.code:
                raise KitError(f"exit status {answer.code}", details=self._shown(answer))
            return answer

        return waits.wait_for(asked, timeout, every, what or f"`{line}` on {self.name}")

    def frr(self, command: str, timeout: float = SECONDS) -> Any:
        """What FRR answers to a show command, as plain values: frr("show bgp summary"). Raises KitError."""
        line = command if command.split()[-1:] == ["json"] else f"{command} json"
        answer = self.sudo(["vtysh", "-c", line], timeout=timeout)
        try:
            return json.loads(answer.output)
        except ValueError:
            raise KitError(f"`{line}` has no JSON for an answer", details=self._shown(answer)) from None

    def interfaces(self) -> dict[str, interfaces.Interface]:
        """Its network interfaces by name. Raises KitError."""
        return interfaces.read(self)

    def apply(
        self, node: Node | str | Path, names: Sequence[str] | Mapping[int, str] | None = None, manager: str = ""
    ) -> tuple[str, ...]:
        """Make the machine what the model says; the places that have changed, none the second time.

        node: the model, or a file of the lesson with it. names: of the interfaces, by default those that the machine's
        image gives them, or where that is not known eth1 and so on. manager: ifupdown, networkd or
        networkmanager, by default the one that runs there. The management interface is never touched. Raises KitError.
        """
        # pydantic, and what renders: only for scripts that have a model.
        from labwright.kit import apply  # noqa: PLC0415
        from labwright.kit.model import load_node  # noqa: PLC0415

        if isinstance(node, str | Path):
            node = load_node(local.find(node, self._folders))
        return apply.apply(self, node, names or self._interfaces or None, manager)

    def root_script(self, name: str, *arguments: str, stdin: bytes = b"", timeout: float = SECONDS) -> Answer:
        """Run one of the kit's own scripts (kit/scripts) as root. Raises KitError."""
        words = ["sh", "-c", _script(name), name, *arguments]
        return self._sudo(shlex.join(words), shlex.join([name, *arguments]), True, timeout, stdin)

    def _run(self, line: str, shown: str, check: bool, timeout: float, stdin: bytes) -> Answer:
        # The shell over there would run what stands before it, and nobody would know.
        if "\0" in line:
            raise KitError("a command has no NUL in it", cause=Cause.CONFIG, hint="give data by stdin=")
        try:
            answer = self._transport.execute(line, stdin, timeout)
        except KitError as error:
            details = tuple(map(self._safe, error.details))
            raise KitError(self._safe(error.what), hint=error.hint, details=details, cause=error.cause) from None
        if check and answer.code != 0:
            ended = f"ended with exit status {answer.code}" if answer.code > 0 else "was ended by a signal"
            raise KitError(self._safe(f"`{shown or line}` {ended} on {self.name}"), details=self._shown(answer))
        return answer

    def _sudo(self, line: str, shown: str, check: bool, timeout: float, stdin: bytes) -> Answer:
        if self._root is None:
            self._root = self._transport.execute(WAY_TO_ROOT, b"", timeout).output.strip()
        shown = shown or line
        if self._root == "root":
            return self._run(line, shown, check, timeout, stdin)
        if self._root == "free":
            return self._run(shlex.join(["sudo", "-n", "--", "sh", "-c", line]), shown, check, timeout, stdin)
        if self._password is None:
            raise KitError(
                f"the user who logged in to {self.name} may not become root", hint="give it sudo without a password"
            )
        # -k: with a password that sudo remembers it would not read ours, and the command would get it.
        words = ["sudo", "-S", "-k", "-p", "", "--", "sh", "-c", line]
        given = self._password.encode() + b"\n" + stdin
        return self._run(shlex.join(words), f"sudo {shown}", check, timeout, given)

    def _shown(self, answer: Answer) -> tuple[str, ...]:
        # Before the lines are cut: what is left of a secret at the end of one would not be found.
        return last_lines(self._safe(answer.output), self._safe(answer.errors))

    def _safe(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text


def _line(command: Command) -> str:
    """A line of shell that means the command."""
    if not isinstance(command, str):
        command = shlex.join(map(str, command))
    if not command.strip():
        raise KitError("there is no command in it", cause=Cause.CONFIG)
    return command


def _script(name: str) -> str:
    return resources.files("labwright.kit").joinpath(f"scripts/{name}.sh").read_text(encoding="utf-8")
