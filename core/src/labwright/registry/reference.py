"""Names of images in registries: HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace

from labwright.errors import Cause, LabwrightError
from labwright.host.text import plain

LONGEST_NAME = 255
COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
"""Distribution specification 1.1, Pulling manifests; of digests only the hash that every registry knows."""
DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
"""Docker Hub's names: what people write, what `docker login` writes down, and where its registry is."""
HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Reference:
    """An image in a registry. host: with its port. At least one of tag and digest is there; the digest decides."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def wanted(self) -> str:
        """What a registry is asked for: the digest, or the tag."""
        return self.digest or self.tag

    @property
    def loopback(self) -> bool:
        """Whether the registry is on this machine, where nobody can listen."""
        return is_loopback(self.host)

    def tagged(self, tag: str) -> Reference:
        """The same repository under another tag. Raises LabwrightError (config)."""
        if not TAG.fullmatch(tag):
            raise refused(tag, "a tag has letters, digits, and . _ - after the first, 128 at most")
        return replace(self, tag=tag, digest="")

    def at(self, digest: str) -> Reference:
        """The same repository, the image with this digest."""
        return replace(self, tag="", digest=digest)

    def __str__(self) -> str:
        """As a user writes it."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.host}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str) -> Reference:
    """A reference from its text. Raises LabwrightError (config) saying what does not fit."""
    if "://" in text:
        raise refused(text, "it begins with a protocol", "write it without: registry.example.org/images/frr:nightly")
    rest, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise refused(text, "after @ comes sha256: and 64 hexadecimal digits")
    host, slash, path = rest.partition("/")
    if not slash or not HOST.fullmatch(host) or not _is_host(host):
        raise refused(
            text, "it does not begin with a registry's name", "for instance registry.example.org/images/frr:nightly"
        )
    repository, colon, tag = path.partition(":")
    if colon and not TAG.fullmatch(tag):
        raise refused(text, "a tag has letters, digits, and . _ - after the first, 128 at most")
    if not REPOSITORY.fullmatch(repository) or len(repository) > LONGEST_NAME:
        raise refused(
            text, "a repository has small letters, digits, and single . _ - between them, with / between parts"
        )
    if not tag and not digest:
        raise refused(text, "it names no tag and no digest", "add one, for instance :nightly")
    return Reference(host, repository, tag, digest)


def names_of(host: str) -> tuple[str, ...]:
    """All names of a registry, its own first."""
    return (host, *(name for name in DOCKER_HUB if name != host)) if host in DOCKER_HUB else (host,)


def api_host(host: str) -> str:
    """Where a registry answers."""
    return DOCKER_HUB[-1] if host in DOCKER_HUB else host


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine: localhost, 127.0.0.0/8 or ::1."""
    name = host.rpartition(":")[0] if re.search(r"[^:]:[0-9]+$|\]:[0-9]+$", host) else host
    name = name.strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    """Whether the first part is a registry's, not a repository's: it has a dot or a port, or is localhost."""
    _, colon, port = host.rpartition(":")
    if colon and port.isdigit() and not 0 < int(port) <= 65535:
        return False
    return "." in host or ":" in host or host == "localhost"


def refused(text: str, why: str, remedy: str = "") -> LabwrightError:
    """The error for what is no reference."""
    return LabwrightError(
        f"{plain(text)[:120]!r} is no name of an image in a registry: {why}",
        cause=Cause.CONFIG,
        hint=remedy or "HOST[:PORT]/REPOSITORY:TAG, for instance registry.example.org/images/frr:nightly",
    )
