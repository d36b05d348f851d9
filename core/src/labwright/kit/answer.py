"""What a command answered, and the way to run one: the blocks know nothing else of SSH or of Ansible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Answer:
    """What a command answered. code: its exit status, -1 where a signal ended it. output, errors: its two streams."""

    code: int
    output: str
    errors: str


class Transport(Protocol):
    """Runs commands on a machine as the user who logged in."""

    name: str
    """The machine's, for errors."""

    def execute(self, command: str, stdin: bytes, timeout: float) -> Answer:
        """Run a line of shell to its end. timeout: seconds. Raises KitError when it has no end or nobody answers."""

    def close(self) -> None:
        """End the connection."""
