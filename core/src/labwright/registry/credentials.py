"""Who we are to a registry: from the files that docker, podman and skopeo log in with. No credential helper is run."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labwright.errors import Cause, LabwrightError
from labwright.registry.reference import names_of

LARGEST = 1 << 20


@dataclass(frozen=True)
class Credentials:
    """A name and a password. source: the file that they are from."""

    user: str
    password: str = field(repr=False)
    source: str

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True)
class Sought:
    """What was found, and for messages where it was sought."""

    found: Credentials | None
    places: tuple[str, ...]

    @property
    def in_words(self) -> str:
        """For the error of a registry that wants to know us, or does not believe us."""
        if self.found is not None:
            return f"the credentials of {self.found.user!r} are from {self.found.source}"
        return f"no credentials for it in: {', '.join(self.places) or 'no file at all'}"


def find_credentials(
    host: str, repository: str, auth_file: Path | None = None, environ: Mapping[str, str] | None = None
) -> Sought:
    """The credentials for a repository of a registry. auth_file: the only file to look at, which must be there.

    Otherwise REGISTRY_AUTH_FILE, then DOCKER_CONFIG/config.json, ~/.docker/config.json and
    XDG_RUNTIME_DIR/containers/auth.json (containers-auth.json(5)), the first that knows the host. Raises LabwrightError
    (config) for a file that was named and cannot be read, or any that is damaged.
    """
    variables = os.environ if environ is None else environ
    named = auth_file or (Path(variables["REGISTRY_AUTH_FILE"]) if variables.get("REGISTRY_AUTH_FILE") else None)
    if named is not None and not named.is_file():
        raise _unfit(named, "it is not there", "name the file that `docker login` or `podman login` wrote")
    sought = []
    for path in [named] if named else _usual(variables):
        if not path.is_file():
            sought.append(f"{path} (not there)")
            continue
        facts = _read(path)
        found = _of_host(facts, host, repository, path)
        if found is not None:
            return Sought(found, (str(path),))
        sought.append(f"{path}{_helper(facts, host)}")
    return Sought(None, tuple(sought))


def _usual(variables: Mapping[str, str]) -> list[Path]:
    places = []
    if variables.get("DOCKER_CONFIG"):
        places.append(Path(variables["DOCKER_CONFIG"]) / "config.json")
    if variables.get("HOME"):
        places.append(Path(variables["HOME"]) / ".docker" / "config.json")
    if variables.get("XDG_RUNTIME_DIR"):
        places.append(Path(variables["XDG_RUNTIME_DIR"]) / "containers" / "auth.json")
    return places


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            facts = json.loads(stream.read(LARGEST + 1)[: LARGEST + 1])
    except OSError as error:
        raise _unfit(path, f"it cannot be read: {error.strerror}", "mend its mode") from None
    except (ValueError, RecursionError):
        # Without the parser's words: they may repeat what is in the file.
        raise _unfit(path, "it is no JSON", "log in again, which writes it") from None
    if not isinstance(facts, dict) or not isinstance(facts.get("auths", {}), dict):
        raise _unfit(path, "it has no object `auths`", "log in again, which writes it")
    return facts


def _of_host(facts: Mapping[str, Any], host: str, repository: str, path: Path) -> Credentials | None:
    """The entry that says most of the repository's name, as containers-auth.json(5) has it."""
    known = facts.get("auths", {})
    parts = repository.split("/")
    hosts = names_of(host)
    names = [f"{one}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1) for one in hosts]
    names += [name for one in hosts for name in _whole(one)]
    entry = next((known[name] for name in names if name in known), None)
    if not isinstance(entry, dict):
        return None
    user, password = entry.get("username"), entry.get("password")
    if entry.get("auth"):
        try:
            user, _, password = base64.b64decode(str(entry["auth"]), validate=True).decode().partition(":")
        except ValueError:
            raise _unfit(path, f"what it has for {host} is no base64", "log in again, which writes it") from None
    if entry.get("identitytoken"):
        raise _unfit(
            path,
            f"it has an identity token for {host}, which labwright does not use",
            "make a password or access token",
        )
    if not isinstance(user, str) or not isinstance(password, str) or not user:
        return None
    return Credentials(user, password.rstrip("\0"), str(path))


def _whole(host: str) -> tuple[str, ...]:
    """How a registry is named where all of it is meant; `docker login` has URLs of some."""
    return host, f"https://{host}", f"https://{host}/", f"https://{host}/v1/", f"https://{host}/v2/"


def _helper(facts: Mapping[str, Any], host: str) -> str:
    """Said where the credentials may be somewhere that we do not look."""
    helpers = facts.get("credHelpers")
    names = {name for one in names_of(host) for name in _whole(one)}
    if facts.get("credsStore") or (isinstance(helpers, dict) and names & helpers.keys()):
        return " (names a credential helper, which labwright does not run)"
    return ""


def _unfit(path: Path, why: str, remedy: str) -> LabwrightError:
    return LabwrightError(f"the file of credentials {path} cannot be used: {why}", cause=Cause.CONFIG, hint=remedy)
