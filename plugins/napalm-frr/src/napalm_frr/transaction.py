"""A change to the configuration: load, compare, commit, confirm, roll back.

FRR has no candidate and no lock. The candidate stays here; a commit is one script on the device, under a lock of our
own, which compares what runs with what was seen before, applies, and puts back what is half applied.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace

from napalm.base.exceptions import (
    CommitConfirmException,
    CommitError,
    MergeConfigException,
    NapalmException,
    ReplaceConfigException,
)

from napalm_frr import configuration, device
from napalm_frr.configuration import Line
from napalm_frr.device import Device, NothingChanged, Report
from napalm_frr.errors import message, printable, sanitized

log = logging.getLogger("napalm_frr")

# A commit that ends so has changed nothing.
UNDONE = (device.PENDING, device.PENDING_OF_OTHER, device.NO_HOSTNAME, device.CHANGED)
SPELLINGS = 3
"""How often a configuration that only reads differently is taken for the same: a router whose daemons still come up
shows it with other separators each time."""
AS_BEFORE = "the running configuration is as it was before"


@dataclass(frozen=True)
class Candidate:
    """What is loaded. text: cleaned. running: what the device had when this was loaded or compared last."""

    text: str
    merge: bool
    running: str

    @property
    def refusal(self) -> type[NapalmException]:
        """NAPALM's exception for this kind of candidate."""
        return MergeConfigException if self.merge else ReplaceConfigException  # type: ignore[no-any-return]

    @property
    def kind(self) -> str:
        """A word for it."""
        return "merge" if self.merge else "replace"

    @property
    def hostname(self) -> str:
        """The host name that it sets, or empty when it sets none or the device has it."""
        name = configuration.hostname_of(self.text)
        return "" if name == configuration.hostname_of(self.running) else name


class Transaction:
    """The changes of one session to one device."""

    def __init__(self, frr: Device) -> None:
        self.device = frr
        self.candidate: Candidate | None = None
        # What ran before the last commit of this session; and the token of that commit when it was to be confirmed.
        self._undo: str | None = None
        self._token = ""

    def load(self, text: str, merge: bool) -> None:
        """Check a candidate on the device and keep it. Raises MergeConfigException or ReplaceConfigException."""
        self.candidate = None
        loading = Candidate("", merge, "")
        try:
            checked = configuration.cleaned(text)
        except ValueError as error:
            raise loading.refusal(f"Not a configuration: {error}.") from None
        name = configuration.hostname_of(checked)
        if name and not configuration.HOSTNAME.fullmatch(name):
            raise loading.refusal("The candidate's hostname is not a host name: letters, digits, hyphens and dots.")
        data = checked.encode()
        report = self.device.run_script("load", data, bytes=len(data))
        if report.code:
            what = "FRR does not understand the candidate; nothing was changed."
            raise loading.refusal(message(what, report.part("words"), "correct the lines that it names"))
        daemons, _, running = report.part("state").partition("\n")
        self._refuse_absent(loading, configuration.lines_of(checked), daemons)
        self._refuse_not_utf8(loading, running)
        self.candidate = Candidate(checked, merge, running)

    @staticmethod
    def _refuse_absent(candidate: Candidate, lines: Iterable[Line], daemons: str, state: str = "") -> None:
        absent = configuration.daemons_not_running(lines, configuration.daemon_names(daemons))
        if not absent:
            return
        first = sanitized(" / ".join(next(iter(absent.values()))))
        switches = ", ".join(f"{names.split(' or ')[0]}=yes" for names in absent)
        what = (
            f"The candidate is for daemons that do not run: {', '.join(absent)}. FRR drops their lines without a word"
        )
        remedy = f"set {switches} in /etc/frr/daemons and `systemctl restart frr` there, or leave the lines out"
        raise candidate.refusal(message(f"{what}, such as: {first}. {state}".rstrip(), "", remedy))

    @staticmethod
    def _refuse_not_utf8(candidate: Candidate, running: str) -> None:
        if number := configuration.not_utf8(running):
            line = running.split("\n")[number - 1].strip()
            what = (
                "The running configuration has a line that is not UTF-8. frr-reload.py dies of it, so a commit could "
            )
            raise candidate.refusal(
                message(f"{what}not be taken back; nothing was changed.", line, "correct that line with vtysh first")
            )

    def discard(self) -> None:
        """Forget the candidate."""
        self.candidate = None

    def compare(self) -> str:
        """What a commit would do, as frr-reload.py tells it; empty for nothing, or without a candidate."""
        if self.candidate is None:
            return ""
        self.candidate = replace(self.candidate, running=self.device.running())
        self._refuse_not_utf8(self.candidate, self.candidate.running)
        return self._difference(self.candidate, self.candidate.running)

    def _difference(self, candidate: Candidate, running: str) -> str:
        left = configuration.missing(candidate.text, running, candidate.merge)
        name = configuration.hostname_of(candidate.text)
        new_name = name if (f"hostname {name}",) in left else ""
        if all(line == (f"hostname {name}",) for line in left):
            return configuration.with_hostname("", new_name)
        data = configuration.target(candidate.text, running, candidate.merge).encode()
        report = self.device.run_script("compare", data, bytes=len(data))
        if report.code:
            said = report.part("words") + report.part("diff")
            raise candidate.refusal(message("frr-reload.py cannot compare.", said, device.PYTHONTOOLS))
        return configuration.with_hostname(printable(report.part("diff")).strip(), new_name)

    def commit(self, revert_in: int | None) -> None:
        """Apply the candidate. revert_in: seconds until the device takes it back by itself, unless confirmed."""
        candidate = self.candidate
        if candidate is None:
            raise CommitError("There is no candidate: load one first.")
        earlier = self._undo, self._token
        token = secrets.token_hex(16)
        # Whatever becomes of the connection from here on, the device may finish the commit.
        self._undo, self._token = candidate.running, token if revert_in else ""
        try:
            report = self._apply(candidate, revert_in, token)
            for _ in range(SPELLINGS):
                now = self.device.running() if report.code == device.CHANGED else ""
                if report.code != device.CHANGED or configuration.difference(candidate.running, now):
                    break
                candidate = replace(candidate, running=now)
                self._undo = now
                report = self._apply(candidate, revert_in, token)
        except NothingChanged:
            self._undo, self._token = earlier
            raise
        if report.code in UNDONE or (report.code == device.REFUSED and not self._left(report)):
            self._undo, self._token = earlier
        self._raise_for(candidate, report)
        self._verify(candidate, report.part("after"), bool(revert_in))
        self.candidate = None
        if report.code == device.NOT_SAVED:
            raise CommitError(
                message(
                    "The candidate runs, but it is NOT saved: the next boot brings the old configuration.",
                    report.part("words"),
                    "give the user rights to write FRR's folder: watchfrr running, or sudo (optional_args sudo=True); "
                    "then commit again, or rollback()",
                )
            )

    def _apply(self, candidate: Candidate, revert_in: int | None, token: str) -> Report:
        text = candidate.text if candidate.merge else configuration.target(candidate.text, candidate.running, False)
        data, timer = text.encode(), ""
        if revert_in:
            timer, _ = self.device.program("timer", revert_in=revert_in, token=token)
        return self.device.run_script(
            "commit", data, bytes=len(data), kind=candidate.kind, hostname=candidate.hostname, token=token, timer=timer,
            revert_in=revert_in or "", baseline=hashlib.sha256(candidate.running.encode()).hexdigest(),
        )  # fmt: skip

    def _raise_for(self, candidate: Candidate, report: Report) -> None:
        if report.code == device.PENDING:
            raise CommitError(
                message("Another commit waits for its confirmation.", remedy="confirm_commit() or rollback() first")
            )
        if report.code == device.PENDING_OF_OTHER:
            raise CommitError(self._others(report))
        if report.code == device.NO_HOSTNAME:
            remedy = "give the user sudo (optional_args sudo=True), or leave the line `hostname` out"
            raise CommitError(
                message(f"The candidate sets the host name {candidate.hostname}, which needs root.", "", remedy)
            )
        if report.code == device.CHANGED:
            changes = configuration.difference(candidate.running, report.part("before"))
            raise CommitError(
                message(
                    "Somebody has changed the running configuration since the candidate was loaded or compared; "
                    f"nothing was committed. The change:\n{changes}",
                    remedy="compare_config() again, look at it, and commit",
                )
            )
        if report.code == device.REFUSED:
            raise candidate.refusal(
                message(
                    f"FRR refused a part of the candidate; {self._state(self._left(report))}.",
                    report.part("words"),
                    "correct the lines that it names",
                )
            )

    @staticmethod
    def _others(report: Report) -> str:
        user = printable(report.part("other").strip())
        what = f"A commit of the device's user {user} waits for its confirmation; nothing was changed."
        return message(what, remedy="only that user can confirm it or roll it back: do, or wait for its time to end")

    @staticmethod
    def _left(report: Report) -> str:
        return configuration.difference(report.part("before"), report.part("after"))

    @staticmethod
    def _state(left: str) -> str:
        return f"it could NOT be put back wholly. What is left:\n{left}\nTry rollback()" if left else AS_BEFORE

    def _verify(self, candidate: Candidate, after: str, pending: bool) -> None:
        left = configuration.missing(candidate.text, after, candidate.merge)
        if not left:
            return
        lost = configuration.not_in(after, left)
        daemons = self.device.show("show daemons")
        dropped = configuration.blocks_dropped(lost, after)
        if dropped or configuration.daemons_not_running(lost, configuration.daemon_names(daemons)):
            state = f"After the commit {self._restore(pending)}."
            self._refuse_absent(candidate, lost, daemons, state)
            first = sanitized(" / ".join(dropped[0]))
            raise candidate.refusal(
                message(f"FRR took the candidate and has not: {first}. {state}", "", "see FRR's log")
            )
        if difference := self._difference(candidate, after):
            log.warning("FRR took the candidate but shows it in other words:\n%s", sanitized(difference))

    def _restore(self, pending: bool) -> str:
        undo = self._undo or ""
        # Sent for a commit that waits too: its timer may have been faster.
        report = self._send_back(keep="" if pending else "1")
        if report.code in (device.PENDING, device.PENDING_OF_OTHER):
            return "it could NOT be put back, since another commit waits for its confirmation"
        left = configuration.difference(undo, report.part("after"))
        if not left:
            self._undo, self._token = None, ""
        return self._state(left)

    def _send_back(self, keep: str) -> Report:
        data = (self._undo or "").encode()
        return self.device.run_script("rollback", data, bytes=len(data), keep=keep, token=self._token)

    def pending(self) -> bool:
        """Whether a commit waits, of this session or another. Raises CommitConfirmException for a failed revert."""
        report = self.device.run_script("pending")
        if report.code == device.REFUSED:
            raise CommitConfirmException(
                message(
                    "A commit was not confirmed, and the device failed to revert it.",
                    report.part("words"),
                    "rollback() by its user tries again; confirm_commit() keeps what runs now",
                )
            )
        return report.code == 0

    def confirm(self) -> None:
        """Keep what waits, for the next boot too. Raises CommitConfirmException."""
        report = self.device.run_script("confirm", token=self._token)
        if report.code == device.NOT_PENDING:
            raise CommitConfirmException("No commit waits for its confirmation: its time is over, or there was none.")
        if report.code == device.PENDING_OF_OTHER:
            raise CommitConfirmException(self._others(report))
        if report.code == device.PENDING:
            what = "This session's commit waits no more, and the one that does is another session's; it still waits."
            raise CommitConfirmException(message(what, remedy="look at what runs; a new connection can confirm it"))
        if report.code:
            what = "The commit is NOT confirmed, since the configuration cannot be saved; the timer still runs."
            raise CommitConfirmException(message(what, report.part("words"), device.RIGHTS))
        self._token = ""

    def rollback(self) -> None:
        """Back to what ran before the last commit of this session, or before the one that waits.

        Raises CommitError when it did not work, or when there is nothing to go back to.
        """
        report = self._send_back(keep="1")
        if report.code == device.PENDING_OF_OTHER:
            raise CommitError(self._others(report))
        if report.code == device.PENDING:
            what = "Another session's commit waits for its confirmation, so this session's cannot be rolled back."
            raise CommitError(message(what, remedy="a new connection can confirm it or roll it back"))
        if report.code == device.NOT_PENDING:
            raise CommitError("There is nothing to roll back: no commit in this session, and none that waits.")
        if report.code == device.NOT_SAVED:
            raise CommitError(message("Rolled back, but NOT saved.", report.part("words"), device.RIGHTS))
        left = configuration.difference(report.part("wanted"), report.part("after"))
        if report.code or left:
            what = f"The rollback did not work wholly. What is left:\n{left}"
            raise CommitError(message(what, report.part("words"), "rollback() again, or look at the device"))
        self.candidate = self._undo = None
        self._token = ""
