"""What a report of a build says, as far as pages need it. Everything in it may be missing or be something else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labwright.host.quantities import finite
from labwright.nightly.model import Night
from labwright.nightly.page.versions import Order
from labwright.nightly.page.words import line
from labwright.nightly.places import Places
from labwright.spec.image import SLUG

LARGEST_REPORT = 16 * 1024 * 1024
MOST = 20_000
MOST_CAPABILITIES = 200
"""Packages of an image."""
SECURITY = "security"
"""The role of the mirror that only has security updates (Pins.mirrors)."""
ORDERS: tuple[tuple[re.Pattern[str], Order], ...] = (
    (re.compile(r"debian|ubuntu", re.IGNORECASE), "deb"),
    (re.compile(r"red hat|centos|fedora|alma|rocky|suse", re.IGNORECASE), "rpm"),
)
"""Whose versions a system's packages have, by the name in its os-release."""


class Unreadable(Exception):
    """A file is damaged, or missing; says which of the two in words."""


@dataclass(frozen=True)
class Boot:
    """One boot of the test. ssh, login, ready, power_off: seconds, 0 where not measured. memory, memory_used: MiB."""

    firmware: str
    ssh: float = 0.0
    login: float = 0.0
    ready: float = 0.0
    power_off: float = 0.0
    memory: int = 0
    memory_used: int = 0
    interfaces: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    script: bool = False

    @property
    def seconds(self) -> float:
        """From power-on to SSH; to the login prompt where SSH was not asked for."""
        return self.ssh or self.login


@dataclass(frozen=True)
class Kernel:
    """release: as uname says. source, version: the package it was made from; mirror: where that came from.

    configuration: the hash of what it was configured from. compiler: in the words of its programs. on: how many options
    are; capabilities: what lessons need of it, with the options that are off.
    """

    release: str
    source: str = ""
    version: str = ""
    mirror: str = ""
    configuration: str = ""
    compiler: str = ""
    on: int = 0
    capabilities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """One version of an image. packages: version by name. security: those of them that the security mirror gave."""

    sha256: str = ""
    bytes: int = 0
    type: str = ""
    system: str = ""
    private: bool = False
    kernel: Kernel | None = None
    accelerator: str = ""
    boots: tuple[Boot, ...] = ()
    clones: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    order: Order = ""
    security: frozenset[str] = frozenset()


def read_facts(places: Places, night: Night, slug: str, packages: bool = True) -> Facts:
    """The report of an image in a night. packages: whether they are wanted; there are many. Raises Unreadable."""
    if not re.fullmatch(SLUG, slug):
        raise Unreadable("an image of this name has no report")
    report = read_json(places.report(night, slug), LARGEST_REPORT)
    return parse(report, packages)


def read_json(path: Path, largest: int) -> Mapping[str, Any]:
    """A JSON object from a file. Raises Unreadable."""
    try:
        if path.stat().st_size > largest:
            raise Unreadable("is larger than any")
        found = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise Unreadable("is missing") from error
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable("is damaged: it is no JSON") from error
    if not isinstance(found, dict):
        raise Unreadable("is damaged: it is no JSON object")
    return found


def parse(report: Mapping[str, Any], with_packages: bool = True) -> Facts:
    """The facts of a report; what is not as it should be counts as not there."""
    pins, tests = _table(report, "pins"), _table(report, "tests")
    packages, pinned = _packages(report, pins) if with_packages else ({}, {})
    system = _text(report, "system")
    return Facts(
        sha256=_text(report, "sha256"),
        bytes=int(finite(report.get("bytes"))),
        type=_text(report, "type"),
        system=system or f"{_text(report, 'type')} {_text(report, 'release')}".strip(),
        private=report.get("visibility") == "private",
        kernel=_kernel(report, pins),
        accelerator=_text(_table(tests, "accelerator"), "name"),
        boots=tuple(_boot(line(name, 40), boot) for name, boot in _tables(tests, "boots")),
        clones=_clones(_table(tests, "clones")),
        packages=packages,
        order=_order(pins, system),
        security=frozenset(
            name for name, (version, mirror) in pinned.items() if mirror == SECURITY and packages.get(name) == version
        ),
    )


def _packages(report: Mapping[str, Any], pins: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Version by name, of what is in the image; version and mirror by name, of what was pinned."""
    pinned = {
        _text(one, "name"): (_text(one, "version"), _text(one, "mirror"))
        for one in _list(pins, "packages")
        if isinstance(one, dict)
    }
    versions: dict[str, set[str]] = {}
    for one in _list(report, "packages"):
        if isinstance(one, list) and len(one) == 2:
            versions.setdefault(line(str(one[0]), 100), set()).add(line(str(one[1]), 100))
    # A name may be there twice: for two architectures, or two keys of rpm.
    found = {name: ", ".join(sorted(kept)) for name, kept in versions.items()}
    return found or {name: version for name, (version, _) in pinned.items()}, pinned


def _order(pins: Mapping[str, Any], system: str) -> Order:
    for one in _list(pins, "packages")[:1]:
        ending = _text(one, "path").rpartition(".")[2] if isinstance(one, dict) else ""
        if ending == "deb":
            return "deb"
        if ending == "rpm":
            return "rpm"
    return next((order for names, order in ORDERS if names.search(system)), "")


def _kernel(report: Mapping[str, Any], pins: Mapping[str, Any]) -> Kernel | None:
    release = _text(report, "kernel")
    if not release:
        return None
    source = _table(pins, "kernel_source")
    inputs = _table(_table(_table(report, "steps"), "kernel"), "inputs")
    review = _table(report, "kernel_review")
    needed = _table(review, "capabilities")
    return Kernel(
        release, _text(source, "name"), _text(source, "version"), _text(source, "mirror"),
        _text(inputs, "kernel configuration"), _text(inputs, "compiler"), int(finite(review.get("on"))),
        {line(str(name), 80): tuple(line(str(one), 80) for one in _list(needed, name)[:64])
         for name in sorted(needed, key=str)[:MOST_CAPABILITIES]},
    )  # fmt: skip


def _boot(firmware: str, boot: Mapping[str, Any]) -> Boot:
    return Boot(
        firmware=firmware,
        ssh=finite(boot.get("ssh")),
        login=finite(boot.get("login")),
        ready=finite(boot.get("ready")),
        power_off=finite(boot.get("power_off")),
        memory=int(finite(boot.get("memory"))),
        memory_used=int(finite(boot.get("memory_used"))),
        interfaces=tuple(line(str(name), 40) for name in _list(boot, "interfaces")[:64]),
        failed=tuple(line(str(name), 100) for name in _list(boot, "failed")[:64]),
        script=boot.get("script") is True,
    )


def _clones(clones: Mapping[str, Any]) -> tuple[str, ...]:
    """What two copies have that differs, of what must: looked at here, not taken for granted."""
    first, second = _table(clones, "first"), _table(clones, "second")
    if not first or not second:
        return ()
    keys = [set(map(str, _list(clone, "host_keys"))) for clone in (first, second)]
    differing = [
        word
        for word, name in (("MAC addresses", "mac"), ("machine IDs", "machine_id"))
        if _text(first, name) and _text(second, name) and _text(first, name) != _text(second, name)
    ]
    return (*differing, *(["SSH host keys"] if all(keys) and not keys[0] & keys[1] else []))


def _table(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = facts.get(name)
    return found if isinstance(found, dict) else {}


def _tables(facts: Mapping[str, Any], name: str) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    found = [(str(key), value) for key, value in _table(facts, name).items() if isinstance(value, dict)]
    return tuple(found[:16])


def _list(facts: Mapping[str, Any], name: str) -> list[Any]:
    found = facts.get(name)
    return found[:MOST] if isinstance(found, list) else []


def _text(facts: Mapping[str, Any], name: str) -> str:
    found = facts.get(name)
    return line(found, 200) if isinstance(found, str) else ""
