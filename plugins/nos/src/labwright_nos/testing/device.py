"""A simulated device: a program that stands for a vendor's image on the other end of a serial console.

The program says what the device does, as its vendor describes it, and knows nothing of any profile. It runs on a
simulated clock, so that a boot of ten minutes takes a moment and every run of it is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Say:
    """Print a text. after: seconds before it. Line feeds become CRLF, as a terminal has them."""

    text: str
    after: float = 0.0


@dataclass(frozen=True)
class Ask:
    """Print a prompt and wait for a line. echo: False for passwords. key: one key is enough, as for a pager.

    kind: `login`, `password`, `command` or `question`; races happen to some of them.
    """

    prompt: str
    echo: bool = True
    key: bool = False
    kind: str = "question"


@dataclass(frozen=True)
class Restart:
    """The device starts again: its program begins anew with what it has saved."""


@dataclass(frozen=True)
class Off:
    """The device is off, and its console is gone."""


Step = Say | Ask | Restart | Off
Program = Generator[Step, str, Any]
"""Yields what the device does; is sent the line that was typed after each Ask, and an empty text after the others."""


@dataclass
class Memory:
    """What a device knows: running is lost when it starts again, saved is kept, candidate is not in use yet.

    given: what the test hands to the profile's templates, for checks such as that of a password.
    """

    given: Mapping[str, Any] = field(repr=False)
    running: dict[str, Any] = field(default_factory=dict)
    candidate: dict[str, Any] = field(default_factory=dict)
    saved: dict[str, Any] = field(default_factory=dict)
    boots: int = 0

    def save(self) -> None:
        """What runs is kept."""
        self.saved = dict(self.running)

    def commit(self) -> None:
        """The candidate runs."""
        self.running = dict(self.candidate)

    def begin(self) -> None:
        """Power-on."""
        self.boots += 1
        self.running, self.candidate = dict(self.saved), dict(self.saved)


@dataclass(frozen=True)
class Surprise:
    """A question that this vendor's system asks at odd moments. accepted: what it takes; else it asks again."""

    ask: Ask
    accepted: re.Pattern[str]


@dataclass(frozen=True)
class Device:
    """A simulated device. program: from power-on. missing: what a finished device lacks, by sentences.

    logs: lines that its kernel or its syslog prints at any time. logins: whether its console asks for a login at the
    first boot. most: seconds, of the simulated clock, that a first boot without any race may take.
    """

    name: str
    program: Callable[[Memory], Program]
    missing: Callable[[Memory], Iterable[str]]
    logs: tuple[str, ...]
    surprises: tuple[Surprise, ...] = ()
    logins: bool = True
    most: float = 1200.0
