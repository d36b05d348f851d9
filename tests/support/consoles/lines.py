"""What the simulated systems of these tests have in common: logins, and sentences about what is missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from labwright_nos.testing import Ask, Program, Say


def login(prompt: str, check: Callable[[str, str], bool], bare: Collection[str] = ()) -> Program:
    """A login as login(1) has it; ends with the user. bare: users without a password, so that none is asked."""
    while True:
        user = ""
        while not user:
            user = (yield Ask(prompt, kind="login")).strip()
        if user in bare:
            return user
        password = yield Ask("Password: ", echo=False, kind="password")
        if check(user, password):
            return user
        yield Say("\nLogin incorrect\n\n", after=2.0)


def absent(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    """A sentence for everything that is not as it should be."""
    for key, value in wanted.items():
        if found.get(key) != value:
            yield f"{key} is {found.get(key)!r}, not {value!r}"
