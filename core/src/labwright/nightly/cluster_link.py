"""How the scheduler of a cluster is reached: whoever reaches it can run anything on its workers."""

from __future__ import annotations

import importlib
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from labwright.errors import Cause, LabwrightError
from labwright.nightly.cluster_certificates import Validity, check_validity, refused_by, validity
from labwright.registry.reference import is_loopback

ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
DASK = {"dask", "distributed"}


@dataclass(frozen=True)
class Link:
    """A scheduler's address, tcp://HOST:PORT or tls://HOST:PORT, and for TLS the PEM files of the authority that signs
    every machine of the cluster, of our certificate and of its key."""

    address: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def host(self) -> str:
        """Of the scheduler."""
        return self.address.partition("://")[2].rpartition(":")[0].strip("[]")

    @property
    def tls(self) -> bool:
        """Whether both sides show certificates."""
        return self.address.startswith("tls://")


def check_link(link: Link) -> Link:
    """The link itself. Raises LabwrightError (config) for one that strangers could use, or that cannot work."""
    found = ADDRESS.fullmatch(link.address)
    if found is None or not 0 < int(found[3]) <= 65535:
        raise _unfit(f"{link.address!r} is no address of a scheduler", "tls://HOST:PORT, or on one machine "
                     "tcp://127.0.0.1:8786")  # fmt: skip
    files = {"--tls-ca": link.ca, "--tls-cert": link.certificate, "--tls-key": link.key}
    if not link.tls:
        if not is_loopback(link.host):
            raise _unfit(
                f"{link.address}: without TLS everybody in that network could run programs on the workers",
                "use tls:// with --tls-ca, --tls-cert and --tls-key; docs/cluster.md makes them with openssl",
            )
        if any(files.values()):
            raise _unfit("certificates are for tls://", f"write tls://{link.address[6:]}, or leave them out")
        return link
    for option, path in files.items():
        if path is None:
            raise _unfit(f"{link.address} needs {option}", "docs/cluster.md makes the files with openssl")
        if not path.is_file():
            raise _unfit(f"{option}: there is no file {path}", "docs/cluster.md makes the files with openssl")
    for one in validities(link):
        check_validity(one)
    if link.key is not None and stat.S_IMODE(link.key.stat().st_mode) & (stat.S_IWGRP | stat.S_IRWXO):
        raise _unfit(f"--tls-key: others than its owner may use {link.key}", f"chmod 600 {link.key}")
    return link


def validities(link: Link) -> tuple[Validity, ...]:
    """Of the certificates of a link; none without TLS. Raises LabwrightError (config) for files that hold none."""
    files = {"--tls-ca": link.ca, "--tls-cert": link.certificate}
    return tuple(validity(option, path) for option, path in files.items() if path is not None)


def soon(link: Link) -> tuple[str, ...]:
    """Which of its certificates will soon be none any more, in words."""
    return tuple(words for one in validities(link) if (words := one.soon(time.time())))


def trouble(link: Link, error: Exception | None) -> str:
    """What about certificates kept a scheduler from us, in words; empty where nothing did.

    They are read again: one may have expired while this machine worked, or have been replaced.
    """
    try:
        own = next((words for one in validities(link) if (words := one.trouble(time.time()))), "")
    except LabwrightError as unfit:
        own = unfit.what
    return own or (refused_by(error) if error else "")


def with_dask(module: str) -> ModuleType:
    """A module of ours that imports Dask. Raises LabwrightError (host) where the extra is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in DASK:
            raise
        raise LabwrightError(
            "builds on more than one machine need Dask, which is not installed here",
            cause=Cause.HOST,
            hint="pip install 'labwright[cluster]'",
        ) from error


def _unfit(what: str, hint: str) -> LabwrightError:
    return LabwrightError(what, cause=Cause.CONFIG, hint=hint)
