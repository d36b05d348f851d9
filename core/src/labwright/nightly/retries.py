"""What is worth another try in the same night, and what is not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from labwright.errors import Cause

PAUSES = (60.0, 300.0, 900.0)
"""Seconds before each further try for the network: a build itself gives up a mirror after twelve."""
CRASHES = 3
"""How often the whole machine, or the nightly build itself, may go down while an image is built."""


@dataclass(frozen=True)
class Tried:
    """How often something was tried again, for each reason."""

    network: int = 0
    memory: int = 0
    killed: int = 0


@dataclass(frozen=True)
class Again:
    """Another try. pause: seconds before it. alone: with nothing beside it. tried: what was tried then."""

    tried: Tried
    pause: float = 0.0
    alone: bool = False


def again(cause: str, tried: Tried, retries: int, pauses: tuple[float, ...] = PAUSES) -> Again | None:
    """Whether a failure of this cause is worth another try, and how; None where it is not.

    Network: `retries` times, with pauses. Memory: once, with nothing beside it. Ended by somebody else: once. All
    else, a wrong description, a guest that does not come up, a signature that does not hold, a full disk, is as wrong
    a minute later, and in the morning somebody has to look at it.
    """
    if cause == Cause.NETWORK.value and tried.network < retries:
        pause = pauses[min(tried.network, len(pauses) - 1)] if pauses else 0.0
        return Again(replace(tried, network=tried.network + 1), pause)
    if cause == Cause.MEMORY.value and not tried.memory and retries:
        return Again(replace(tried, memory=1), alone=True)
    if cause == Cause.INTERRUPTED.value and not tried.killed and retries:
        return Again(replace(tried, killed=1))
    return None
