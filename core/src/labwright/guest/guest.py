"""What every way into a guest can do."""

from __future__ import annotations

import base64
import binascii
import os
import shlex
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from labwright.errors import Cause, LabwrightError
from labwright.host.run import recognise

PATIENCE = 1800.0
"""Seconds for one command in a guest: package managers under emulation take their time."""
SCRIPT = 'script=$(cat) && exec </dev/null && eval "$script"'
"""Fixed text: the script comes on standard input, so that it is in no file and in no list of arguments."""
SHOWN = 12
LENT = "/run/labwright-certificates.pem"
TRUSTING = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
"""Variables that OpenSSL, Python's requests, pip, curl and git look at."""


@dataclass(frozen=True)
class Answer:
    """What a command in a guest answered. output, errors: its two streams."""

    code: int
    output: str
    errors: str

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines that matter, oldest first."""
        return tuple((self.output + self.errors).splitlines()[-SHOWN:])


class Guest(ABC):
    """A system that is not ours, entered as root. Nothing that it answers is trusted."""

    method: ClassVar[str]

    prefix: tuple[str, ...] = ()
    """Put before every command."""
    logged = False
    """Whether what commands say goes into the step's log, where this way in has one."""

    def execute(self, argv: Sequence[str], stdin: bytes | Path = b"", seconds: float = PATIENCE) -> Answer:
        """Run a command to its end, whatever its exit code. Raises LabwrightError where it cannot be run at all."""
        return self._execute([*self.prefix, *argv], stdin, seconds)

    @abstractmethod
    def _execute(self, argv: Sequence[str], stdin: bytes | Path, seconds: float) -> Answer:
        """The same, by this way in."""

    def lend_certificates(self) -> None:
        """Have the guest trust for a while what this host trusts, where it was told to: behind a proxy that reads TLS.

        Every program that takes such a file from its environment gets it; the seal takes it away.
        """
        bundle = os.environ.get("SSL_CERT_FILE", "")
        if not bundle or not Path(bundle).is_file():
            return
        self.put(Path(bundle), LENT)
        self.script(f"chmod 644 {LENT}", "the certificates cannot be lent")
        self.prefix = ("env", *(f"{name}={LENT}" for name in TRUSTING))

    def put(self, source: Path, place: str) -> None:
        """Copy a file of the host into the guest: owner root, mode 0600. Raises LabwrightError."""
        command = f"umask 077 && rm -f -- {shlex.quote(place)} && cat > {shlex.quote(place)}"
        self._must(self.execute(["sh", "-c", command], source), f"{place} cannot be written in the guest")

    def get(self, place: str, destination: Path) -> None:
        """Copy a file of the guest to the host. Raises LabwrightError."""
        answer = self.execute(["base64", "--", place])
        self._must(answer, f"{place} cannot be read in the guest")
        try:
            destination.write_bytes(base64.b64decode("".join(answer.output.split()), validate=True))
        except binascii.Error as error:
            raise LabwrightError(
                f"{place}: the guest answers no base64", cause=Cause.GUEST, hint="is its base64 a real one?"
            ) from error

    def script(self, text: str, what: str, seconds: float = PATIENCE) -> Answer:
        """Run a POSIX shell script. what: the words for an error. Raises LabwrightError where it fails."""
        self.logged = True
        try:
            answer = self.execute(["sh", "-c", SCRIPT], text.encode(), seconds)
        finally:
            self.logged = False
        self._must(answer, what)
        return answer

    def _must(self, answer: Answer, what: str) -> None:
        if answer.code != 0:
            raise failure(answer, what)


REMEDIES = (
    ("Read-only file system", "the image's file system is read-only: check it (e2fsck, xfs_repair), then try again"),
    ("No space left on device", "make its disk larger with build.diskSize, or take packages out"),
    ("Exec format error", "the image is for another processor; labwright makes images for amd64"),
)


def failure(answer: Answer, what: str) -> LabwrightError:
    """The failure of a command in a guest, with the last lines that matter."""
    text = answer.output + answer.errors
    for sign, remedy in REMEDIES:
        if sign in text:
            return LabwrightError(what, cause=Cause.GUEST, details=answer.tail, hint=remedy)
    cause, hint = recognise(text.splitlines()[-40:]) or (Cause.GUEST, "the lines above are from the guest")
    return LabwrightError(f"{what} (exit code {answer.code})", cause=cause, details=answer.tail, hint=hint)
