"""What workers offer and what a job takes: decided here, without a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labwright.pipeline.steps import MEGABYTE

SLOT, MEMORY, ROOT, KVM = "SLOT", "MEMORY", "ROOT", "KVM"
"""What workers announce. MEMORY: bytes; the others: one for each build that may run at once."""


@dataclass(frozen=True)
class Needs:
    """What a job takes of a worker. memory: bytes. Root it takes in any case: its files have owners."""

    memory: int = 0
    kvm: bool = False

    @property
    def resources(self) -> dict[str, float]:
        """As Dask counts them."""
        found = {SLOT: 1.0, ROOT: 1.0}
        found |= {MEMORY: float(self.memory)} if self.memory else {}
        return found | ({KVM: 1.0} if self.kvm else {})


@dataclass(frozen=True)
class Room:
    """What a worker offers. memory: bytes. address: by which the scheduler knows it."""

    address: str
    name: str = ""
    slots: int = 0
    memory: int = 0
    root: bool = False
    kvm: bool = False

    def takes(self, needs: Needs) -> bool:
        """Whether a job fits."""
        return self.slots > 0 and self.root and self.memory >= needs.memory and (self.kvm or not needs.kvm)

    def less(self, taken: Iterable[Needs]) -> Room:
        """What is left beside some jobs."""
        jobs = list(taken)
        return replace(self, slots=self.slots - len(jobs), memory=self.memory - sum(one.memory for one in jobs))


def rooms_of(scheduler: Mapping[str, Any]) -> tuple[Room, ...]:
    """The workers that a scheduler knows (its identity); one that offers no slot is not ours."""
    rooms = []
    for address, facts in scheduler.get("workers", {}).items():
        offers = facts.get("resources") or {}
        if offers.get(SLOT):
            rooms.append(Room(
                str(address), str(facts.get("name", "")), int(offers[SLOT]), int(offers.get(MEMORY, 0)),
                bool(offers.get(ROOT)), bool(offers.get(KVM)),
            ))  # fmt: skip
    return tuple(sorted(rooms, key=lambda room: room.address))


def lacking(needs: Needs, rooms: Sequence[Room]) -> str:
    """Why no worker takes a job, in words."""
    if not rooms:
        return "there is none"
    named = ", ".join(sorted(room.name or room.address for room in rooms))
    fit = [room for room in rooms if room.root]
    if not fit:
        return f"ROOT: none of {named} is root or may make user namespaces"
    fit = [room for room in fit if room.kvm or not needs.kvm]
    if not fit:
        return f"KVM: it runs on none of {named}"
    wanted, most = needs.memory // MEGABYTE, max(room.memory for room in fit) // MEGABYTE
    return f"MEMORY: it takes {wanted} MB, and {most} MB are the most that one of {named} has"
