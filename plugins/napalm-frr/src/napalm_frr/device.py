"""One FRR on one device: shows its state and runs our scripts there."""

from __future__ import annotations

import functools
import json
import re
import secrets
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeVar

from napalm.base.exceptions import CommandErrorException, ConnectionException

from napalm_frr.errors import message, printable
from napalm_frr.options import Options
from napalm_frr.transport import SCRIPT, Answer, Transport, timed_out

T = TypeVar("T")

# The codes with which the files in the folder `scripts` end.
NO_FOLDER, CUT_SHORT, NO_RELOAD, NO_STATE, LOCKED, NOT_RUNNING = 80, 81, 82, 83, 84, 85
PENDING, NO_HOSTNAME, CHANGED, NOT_PENDING, REFUSED, NOT_SAVED = 86, 87, 88, 89, 90, 91
UNREADABLE, PENDING_OF_OTHER = 92, 93
REPORTED = (0, PENDING, NO_HOSTNAME, CHANGED, NOT_PENDING, REFUSED, NOT_SAVED, PENDING_OF_OTHER)

# A commit is up to six commands of FRR, one after the other, each with the limit of its own.
COMMANDS_IN_A_SCRIPT = 6
GRACE_SECONDS = 3
TIMED_OUT = 124  # the exit status of timeout(1)

PYTHONTOOLS = "install the package frr-pythontools on the device; frr-reload.py is in it, and it wants python3"
RIGHTS = (
    "start FRR, or give the user rights: the groups frr and frrvty, or sudo without a password (optional_args sudo)"
)
EXPLAINED = {
    NO_FOLDER: ("The device has no place for temporary files.", "look at free space and rights of /tmp there"),
    CUT_SHORT: ("The configuration did not reach the device whole; nothing was changed.", "try again"),
    NO_RELOAD: ("The device has no frr-reload.py; nothing was changed.", PYTHONTOOLS),
    NO_STATE: ("The device cannot keep what a revert needs; nothing was changed.",
               "look at free space and rights of /run/napalm-frr (root) or /tmp/napalm-frr-* (others) there, at the "
               "folder of FRR's sockets (optional_args vty_socket), and for `setsid` of util-linux"),
    LOCKED: ("Another commit or revert by napalm-frr has held the device's lock all the time; nothing was changed.",
             "wait for it; it needs `flock` of util-linux there"),
    NOT_RUNNING: ("FRR does not show its running configuration; nothing was changed.", RIGHTS),
    UNREADABLE: ("The user may not read FRR's configuration files.",
                 "give the user rights: the group frr, or sudo without a password (optional_args sudo)"),
}  # fmt: skip


class NothingChanged(ConnectionException):  # type: ignore[misc]
    """A script found the device unfit before it began."""


@dataclass(frozen=True)
class Report:
    """How a script ended. code: 0 or one of the constants here. parts: what it printed, by name."""

    code: int
    parts: Mapping[str, str]

    def part(self, name: str) -> str:
        """One part, or empty."""
        return self.parts.get(name, "")


@functools.cache
def script(name: str) -> str:
    """The text of a script that comes with this package."""
    folder = resources.files("napalm_frr") / "scripts"
    return "".join((folder / f"{one}.sh").read_text(encoding="utf-8") for one in ("common", name))


def assignments(values: Mapping[str, object]) -> str:
    """The values as the shell's variables."""
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())


class Device:
    """limit: seconds that one command of FRR may take."""

    def __init__(self, transport: Transport, options: Options, limit: int) -> None:
        self.transport, self.options, self.limit = transport, options, limit
        self._sudo = options.sudo is True

    def open(self) -> None:
        """Connect, and see that FRR answers. Raises ConnectionException with the remedy."""
        self.transport.open()
        try:
            self._find_frr()
        except BaseException:
            self.transport.close()
            raise

    def _find_frr(self) -> None:
        answer = self._version()
        if answer.code and self.options.sudo == "auto" and self.execute(["id", "-u"]).out.strip() != "0":
            self._sudo = True
            if self._version().code == 0:
                return
            self._sudo = False
        if answer.code in (126, 127):
            raise ConnectionException(message("The device has no vtysh.", answer.err, "install the package frr there"))
        if answer.code:
            raise ConnectionException(message("FRR on the device does not answer.", answer.err + answer.out, RIGHTS))

    def _version(self) -> Answer:
        return self.execute(self.vtysh("show version"))

    def execute(self, argv: Sequence[str], timeout: float | None = None) -> Answer:
        """Run a command in FRR's namespace with FRR's rights. timeout: seconds, or the usual limit.

        Raises CommandTimeoutException; the device ends the command then, so that none lingers there.
        """
        limit = self.limit if timeout is None else timeout
        # The parsers read the English of ping and its like.
        words = [*self._before(), "env", "LC_ALL=C", "timeout", f"{limit:g}", *argv]
        answer = self.transport.run(words, timeout=limit + GRACE_SECONDS)
        if answer.code == TIMED_OUT:
            raise timed_out(argv, limit)
        return answer

    def _before(self) -> list[str]:
        words = ["sudo", "-n", "--"] if self._sudo else []
        return [*words, "ip", "netns", "exec", self.options.netns] if self.options.netns else words

    def vtysh(self, command: str) -> list[str]:
        """The words that have vtysh run one command."""
        where = ["--vty_socket", self.options.sockets] if self.options.sockets else []
        where += ["--config_dir", self.options.config] if self.options.config else []
        return ["vtysh", *where, "-c", command]

    def show(self, command: str) -> str:
        """What a command prints, fit for a terminal. Raises CommandErrorException with FRR's words."""
        return printable(self._show(command))

    def _show(self, command: str) -> str:
        answer = self.execute(self.vtysh(command))
        self._refuse(command, answer)
        return answer.out

    @staticmethod
    def _refuse(command: str, answer: Answer) -> None:
        if answer.code:
            raise CommandErrorException(message(f"FRR refused: {printable(command)}", answer.out + answer.err))

    def running(self) -> str:
        """The running configuration byte by byte, as a commit compares it."""
        return self._show("show running-config no-header")

    def show_json(self, command: str) -> dict[str, Any]:
        """What a command prints as JSON; several documents, one for each VRF in some versions, become one.

        Raises CommandErrorException, or ConnectionException when it is not JSON.
        """
        return parse_json(self._show(command), command)

    def show_bgp(self, command: str) -> dict[str, Any]:
        """The same, but empty from a router on which bgpd does not run or has nothing to say."""
        answer = self.execute(self.vtysh(command))
        if re.fullmatch(r"\s*(bgpd is not running|%.*)\s*", answer.out + answer.err):
            return {}
        self._refuse(command, answer)
        return parse_json(answer.out, command)

    def run_script(self, name: str, stdin: bytes = b"", **values: object) -> Report:
        """Run one of our scripts.

        Raises NothingChanged for what is wrong with the device as such, and as the transport does; then the script may
        have come to its end all the same.
        """
        program, mark = self.program(name, **values)
        # Each command in a script has its own limit; the script itself is not ended, since it puts things in order.
        seconds = self.limit * COMMANDS_IN_A_SCRIPT + GRACE_SECONDS
        answer = self.transport.run([*self._before(), "sh", "-c", program, SCRIPT], stdin, seconds)
        parts: dict[str, str] = {}
        for part in answer.out.split(f"\n{mark} ")[1:]:
            title, _, text = part.partition("\n")
            parts[title] = text
        if answer.code in EXPLAINED:
            what, remedy = EXPLAINED[answer.code]
            raise NothingChanged(message(what, parts.get("words", "") + answer.err, remedy))
        if answer.code not in REPORTED:
            what = f"The script {name} ended with code {answer.code} on the device."
            raise ConnectionException(
                message(what, answer.err, "look whether sh, timeout, mktemp and vtysh work there")
            )
        return Report(answer.code, parts)

    def program(self, name: str, **values: object) -> tuple[str, str]:
        """The text of a script with its values, and the mark before each section of its answer."""
        mark = f"--napalm-frr-{secrets.token_hex(16)}"
        usual = {
            "vty_socket": self.options.sockets, "config_dir": self.options.config,
            "frr_reload": self.options.frr_reload, "hostname_file": self.options.hostname_file,
            "limit": self.limit, "mark": mark,
        }  # fmt: skip
        return assignments(usual | values) + script(name), mark


def parse_json(text: str, source: str) -> dict[str, Any]:
    """Objects one after the other, merged. source: for the message. Raises ConnectionException."""
    decoder, merged, position = json.JSONDecoder(strict=False), dict[str, Any](), 0
    try:
        while remaining := text[position:].lstrip():
            position = len(text) - len(remaining)
            found, position = decoder.raw_decode(text, position)
            if not isinstance(found, dict):
                raise TypeError(f"an object was expected, not {type(found).__name__}")
            merge(merged, clean(found))
    except (ValueError, TypeError, RecursionError) as error:
        raise ConnectionException(
            message(
                f"FRR's answer to `{printable(source)}` is not the JSON that was expected: {error}.",
                text[:500],
                "try the command in vtysh; a daemon may have been ended meanwhile",
            )
        ) from None
    return merged


def understood(parse: Callable[..., T], *shown: Any) -> T:
    """What a parser makes of the device's JSON. Raises ConnectionException where it has another form than is known."""
    try:
        return parse(*shown)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        what = f"FRR's answer has another form than napalm-frr knows ({parse.__name__}: {printable(str(error))})."
        raise ConnectionException(
            message(what, "", "tell the authors of napalm-frr, with the version of FRR")
        ) from error


def merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add what another VRF's document has; lists of the same name become one."""
    for name, value in more.items():
        known = into.get(name)
        into[name] = known + value if isinstance(known, list) and isinstance(value, list) else value


def clean(value: Any) -> Any:
    """The value with control characters in its strings spelled out; JSON can have them as \\u001b."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(str(key)): clean(one) for key, one in value.items()}
    return [clean(one) for one in value] if isinstance(value, list) else value
