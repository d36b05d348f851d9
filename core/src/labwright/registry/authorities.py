"""What certificates are checked against: this machine's authorities, and those that the user names (--ca)."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import requests

from labwright.errors import Cause, LabwrightError, os_error

SYSTEM_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


def own_authorities(named: Path | None) -> str | bool:
    """For the registry itself: those named, else the system's. Raises LabwrightError (config) for a file of none."""
    if named is None:
        return system_authorities()
    try:
        ssl.create_default_context(cafile=str(named))
    except (OSError, ssl.SSLError) as error:
        raise LabwrightError(
            f"{named} holds no certificate of an authority: {error.strerror or error}",
            cause=Cause.CONFIG,
            hint="--ca takes a PEM file",
        ) from error
    return str(named)


@contextlib.contextmanager
def all_authorities(named: Path | None) -> Iterator[str | bool]:
    """For places that a registry leads to: the system's and those named, in a file that is gone at the end.

    Raises LabwrightError (host) where it cannot be written.
    """
    system = system_authorities()
    if named is None:
        yield system
        return
    places = (Path(requests.utils.DEFAULT_CA_BUNDLE_PATH if isinstance(system, bool) else system), named)
    with contextlib.ExitStack() as stack:
        try:
            bundle = stack.enter_context(tempfile.NamedTemporaryFile(prefix="labwright-ca-", suffix=".pem"))
            bundle.write(b"\n".join(place.read_bytes() for place in places))
            bundle.flush()
        except OSError as error:
            raise os_error(error, "the certificates of authorities cannot be put together") from error
        yield bundle.name


def system_authorities() -> str | bool:
    """This machine's; True for those that come with requests."""
    for place in (os.environ.get("SSL_CERT_FILE", ""), str(SYSTEM_AUTHORITIES)):
        if place and Path(place).is_file():
            return place
    return True
