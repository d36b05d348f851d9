"""Until when the certificates of a cluster hold: what Dask says of one that has expired names no certificate."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from labwright.errors import Cause, LabwrightError
from labwright.host.text import line

SOON = 30 * 86400.0
"""Seconds before its end in which a certificate is worth a word: two runs of whoever looks once a fortnight."""
LARGEST = 1024 * 1024
"""Bytes of a PEM file; a system's whole bundle of authorities has a quarter of that."""
RENEW = "make a new one: docs/cluster.md, When a certificate ends"


@dataclass(frozen=True)
class Validity:
    """option: by which the file was named. begins, ends: seconds since 1970."""

    option: str
    path: Path
    begins: float
    ends: float

    def trouble(self, now: float) -> str:
        """Why it does not hold now, in words; empty while it does."""
        if now > self.ends:
            return f"the certificate {self.path} ({self.option}) expired on {_day(self.ends)}"
        if now < self.begins:
            told = f"the certificate {self.path} ({self.option}) holds from {_day(self.begins)} on"
            return f"{told}, and this machine's clock says {_day(now)}"
        return ""

    def soon(self, now: float) -> str:
        """That its end is near, in words; empty while it is not."""
        if self.ends - now > SOON:
            return ""
        return f"the certificate {self.path} ({self.option}) expires on {_day(self.ends)}; {RENEW}"


def validity(option: str, path: Path) -> Validity:
    """Of the certificate that a PEM file begins with; others after it are those that signed it.

    Raises LabwrightError (config) for a file without one.
    """
    try:
        with path.open("rb") as stream:
            first = x509.load_pem_x509_certificates(stream.read(LARGEST))[0]
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "there is no certificate in it"
        raise LabwrightError(
            f"{option}: {path} cannot be used: {why}",
            cause=Cause.CONFIG,
            hint="name a file in PEM, as openssl writes it (docs/cluster.md)",
        ) from error
    return Validity(option, path, first.not_valid_before_utc.timestamp(), first.not_valid_after_utc.timestamp())


def check_validity(found: Validity) -> None:
    """Raises LabwrightError (config) for one that does not hold now."""
    if words := found.trouble(time.time()):
        raise LabwrightError(words, cause=Cause.CONFIG, hint=RENEW)


def refused_by(error: BaseException) -> str:
    """What TLS had against the other side's certificate, or that side against ours; empty where it was not that."""
    for one in _chain(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"its certificate does not hold: {line(one.verify_message)}"
        if isinstance(one, ssl.SSLError) and "CERTIFICATE" in (one.reason or ""):
            return f"it does not take our certificate: {line(one.reason).replace('_', ' ').lower()}"
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
