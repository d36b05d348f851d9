"""Files by HTTP, by curl(1): it knows proxies and certificates, several files at once, and servers that stand still."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench

AT_ONCE = 6
STANDSTILL = 30
"""Seconds with less than 100 bytes in each: then a transfer is given up."""
NOT_FOUND = (22, 37)
"""curl's exit codes for an answer of 400 and above, and for a file: URL of nothing (curl(1), EXIT CODES)."""


@dataclass(frozen=True)
class Transfer:
    """One file to get. largest: bytes, more is refused. optional: it may not be there."""

    url: str
    place: Path
    largest: int = 1 << 30
    optional: bool = False


def download(transfers: Sequence[Transfer], what: str, hint: str, bench: Workbench, at_once: int = AT_ONCE) -> None:
    """Get all of them; what did not come whole is not there. Raises LabwrightError (network) naming one that lacks."""
    for transfer in transfers:
        transfer.place.unlink(missing_ok=True)
    done = bench.run(
        ["curl", "--disable", "--config", "-", "--parallel", "--parallel-immediate", "--parallel-max", str(at_once)],
        stdin="\n".join(_lines(transfers)),
        accept=range(256),
        what=what,
        cause=Cause.NETWORK,
        timeout=7200,
    )
    ended = _ended(done.output)
    lacking = []
    for index, transfer in enumerate(transfers):
        code, answer = ended.get(index, (done.code, "it did not come to it"))
        if code:
            transfer.place.unlink(missing_ok=True)
            if not (transfer.optional and code in NOT_FOUND):
                lacking.append(f"{transfer.url}: {answer}")
    if lacking:
        raise LabwrightError(what, cause=Cause.NETWORK, details=lacking[:12], hint=hint)


def _lines(transfers: Sequence[Transfer]) -> list[str]:
    """curl's configuration: one option a line, values in quotes (curl(1), --config)."""
    lines = []
    authorities = [f"cacert = {_quoted(os.environ['SSL_CERT_FILE'])}"] if "SSL_CERT_FILE" in os.environ else []
    for index, transfer in enumerate(transfers):
        lines += [
            f"url = {_quoted(transfer.url)}", f"output = {_quoted(str(transfer.place))}", "silent", "fail", "location",
            "globoff", 'proto = "=http,https,file"', 'proto-redir = "=http,https"', "max-redirs = 8",
            "remove-on-error", f"max-filesize = {transfer.largest}", "connect-timeout = 20",
            f"speed-time = {STANDSTILL}", "speed-limit = 100", "retry = 3", "retry-delay = 1", "retry-connrefused",
            f"write-out = {_quoted(f'{index}|%{{exitcode}}|%{{errormsg}}' + chr(10))}", *authorities, "next",
        ]  # fmt: skip
    return lines[:-1]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _ended(output: str) -> dict[int, tuple[int, str]]:
    """Exit code and words of each transfer by its place in the list."""
    lines = [line.split("|", 2) for line in output.splitlines()]
    return {int(words[0]): (int(words[1]), words[2]) for words in lines
            if len(words) == 3 and words[0].isdigit() and words[1].isdigit()}  # fmt: skip
