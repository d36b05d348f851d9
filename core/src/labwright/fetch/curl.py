"""Files by HTTP, by curl(1): it knows proxies and certificates, several files at once, and servers that stand still."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench

AT_ONCE = 6
STANDSTILL = 30
"""Seconds with less than 100 bytes in each: then a transfer is given up."""
NO_FILE = 37
"""curl's exit code for a file: URL of nothing (curl(1), EXIT CODES)."""
GONE = ("404", "410")
ENDS = (-signal.SIGXFSZ, *range(256))
"""How curl may end: what it says of each file counts, and a file that grows too large ends it."""


@dataclass(frozen=True)
class Transfer:
    """One file to get. largest: bytes, more is refused. optional: it may not be there."""

    url: str
    place: Path
    largest: int = 1 << 30
    optional: bool = False


@dataclass(frozen=True)
class Ended:
    """How a transfer ended. code: curl's; answer: the server's (HTTP); words: curl's."""

    code: int
    answer: str
    words: str

    @property
    def absent(self) -> bool:
        """Whether there is no such file, as far as the server knows; not whether it could not be asked."""
        return self.code == NO_FILE or self.answer in GONE


def download(transfers: Sequence[Transfer], what: str, hint: str, bench: Workbench, at_once: int = AT_ONCE) -> None:
    """Get all of them; what did not come whole is not there. Raises LabwrightError (network) naming one that lacks."""
    for transfer in transfers:
        transfer.place.unlink(missing_ok=True)
    # curl's own limit does not see an answer that does not say how long it is.
    largest = max(transfer.largest for transfer in transfers)
    done = bench.run(
        ["prlimit", f"--fsize={largest + 1}", "curl", "--disable", "--config", "-", "--parallel",
         "--parallel-immediate", "--parallel-max", str(at_once)],
        stdin="\n".join(_lines(transfers)),
        accept=ENDS,
        what=what,
        cause=Cause.NETWORK,
        timeout=7200,
    )  # fmt: skip
    ended = _ended(done.output)
    lacking = []
    for index, transfer in enumerate(transfers):
        end = ended.get(index, Ended(done.code or 1, "", "it did not come to it"))
        if not end.code and transfer.place.is_file() and transfer.place.stat().st_size > transfer.largest:
            end = Ended(1, end.answer, f"it is larger than {transfer.largest} bytes")
        if end.code:
            transfer.place.unlink(missing_ok=True)
            if not (transfer.optional and end.absent):
                lacking.append(f"{transfer.url}: {end.words}")
    if lacking:
        raise LabwrightError(what, cause=Cause.NETWORK, details=lacking[:12], hint=hint)


def _lines(transfers: Sequence[Transfer]) -> list[str]:
    """curl's configuration: one option a line, values in quotes (curl(1), --config)."""
    lines = []
    authorities = [f"cacert = {_quoted(os.environ['SSL_CERT_FILE'])}"] if "SSL_CERT_FILE" in os.environ else []
    for index, transfer in enumerate(transfers):
        lines += [
            f"url = {_quoted(transfer.url)}", f"output = {_quoted(str(transfer.place))}", "silent", "fail", "location",
            "globoff", 'proto = "=http,https,file"', f"proto-redir = {_quoted(_redirects(transfer.url))}",
            "max-redirs = 8", "remove-on-error", f"max-filesize = {transfer.largest}", "connect-timeout = 20",
            f"speed-time = {STANDSTILL}", "speed-limit = 100", "retry = 3", "retry-delay = 1", "retry-connrefused",
            f"write-out = {_quoted(f'{index}|%{{exitcode}}|%{{http_code}}|%{{errormsg}}' + chr(10))}", *authorities,
            "next",
        ]  # fmt: skip
    return lines[:-1]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _redirects(url: str) -> str:
    """Where a server may lead to: not from TLS to a way that anybody can change."""
    return "=https" if url.startswith("https:") else "=http,https"


def _ended(output: str) -> dict[int, Ended]:
    """How each transfer ended, by its place in the list."""
    lines = [line.split("|", 3) for line in output.splitlines()]
    return {int(words[0]): Ended(int(words[1]), words[2], words[3]) for words in lines
            if len(words) == 4 and words[0].isdigit() and words[1].isdigit()}  # fmt: skip
