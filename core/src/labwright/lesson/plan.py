"""What a lesson needs, before anything runs: machines with their addresses, links, memory. Nothing here has effects."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labwright.errors import Cause, LabwrightError
from labwright.lesson.images import LabImage
from labwright.lesson.limits import MOST_INTERFACES, Excess, cables, excesses
from labwright.spec.lesson import Connection, LessonSpec
from labwright.vm.ready import CLOSED_PORT

SSH = 22
GUEST, GATEWAY = "10.0.0.15", "10.0.0.2"
"""On every management network, as in the platform's own wrapper of virtual machines."""
TRANSLATIONS, OVERHEAD = 256, 90
"""MiB of translated code that an emulated machine may keep, and what QEMU takes beside that and its guest's memory
(measured with 7.2: 60 to 110)."""


@dataclass(frozen=True)
class MachinePlan:
    """An endpoint. address: in the lab's network. peer_address: by which other guests reach it, on their management
    networks. ports: that are reached. macs: of all its interfaces in bus order, management first.
    """

    name: str
    image: LabImage
    address: str
    peer_address: str
    ports: tuple[int, ...]
    macs: tuple[str, ...]
    data: int


@dataclass(frozen=True)
class End:
    """One end of a link. interface: its number, 1 for the first data interface."""

    endpoint: str
    interface: int


@dataclass(frozen=True)
class LinkPlan:
    """A cable. name: of its ends, numbered where two have the same ends; no other one of the lab has it."""

    name: str
    a: End
    b: End
    subnet: str = ""

    @property
    def ends(self) -> tuple[End, End]:
        """Both."""
        return self.a, self.b


@dataclass(frozen=True)
class LabPlan:
    """A lab. memory: MiB that its guests and their QEMUs take at most. processors: virtual ones."""

    machines: tuple[MachinePlan, ...]
    links: tuple[LinkPlan, ...]

    @property
    def memory(self) -> int:
        """MiB."""
        machines = [one for each in self.machines for one in each.image.hardware.machines]
        return sum(one.memory + TRANSLATIONS + OVERHEAD for one in machines)

    @property
    def processors(self) -> int:
        """How many."""
        return sum(one.processors for each in self.machines for one in each.image.hardware.machines)


def plan_lab(spec: LessonSpec, images: Mapping[str, LabImage]) -> LabPlan:
    """The lab of a lesson that was read and checked. images: by slug. Raises LabwrightError (config)."""
    for excess in excesses(spec):
        raise _too_much(spec, excess)
    links = _links(spec)
    used = Counter(end.endpoint for link in links for end in link.ends)
    machines = []
    for number, endpoint in enumerate(spec.endpoints, 1):
        image = images[endpoint.image]
        # All interfaces that its author named are there, so that one snapshot serves every lesson with this image.
        data = max(len(image.interfaces), used[endpoint.name])
        if data > MOST_INTERFACES:
            raise _too_much(spec, cables(number - 1, endpoint.name, data))
        machines.append(
            MachinePlan(
                name=endpoint.name,
                image=image,
                address=f"127.0.1.{number}",
                peer_address=f"10.0.0.{100 + number}",
                ports=tuple(sorted({SSH, *image.hardware.ports.values(), *endpoint.ports} - {CLOSED_PORT})),
                macs=_macs(1 + data),
                data=data,
            )
        )
    return LabPlan(tuple(machines), links)


def _too_much(spec: LessonSpec, excess: Excess) -> LabwrightError:
    return LabwrightError(f"{spec.slug}: {excess.what}", cause=Cause.CONFIG, hint=excess.hint)


def _links(spec: LessonSpec) -> tuple[LinkPlan, ...]:
    """An endpoint's interfaces are used in the order of its connections."""
    used: Counter[str] = Counter()
    links = []
    for connection, name in zip(spec.connections, _link_names(spec.connections), strict=True):
        ends = []
        for endpoint in (connection.a, connection.b):
            used[endpoint] += 1
            ends.append(End(endpoint, used[endpoint]))
        links.append(LinkPlan(name, ends[0], ends[1], connection.subnet or ""))
    return tuple(links)


def _link_names(connections: Sequence[Connection]) -> list[str]:
    """A name for each: of its ends, and from the second one of that name on with the next number that is free.

    An endpoint may be called b-2, or b--c: names of other cables are passed over.
    """
    plain = [f"{connection.a}--{connection.b}" for connection in connections]
    reserved, taken = set(plain), set[str]()
    numbers: Counter[str] = Counter()
    names = []
    for each in plain:
        name = each
        while name in taken or (name != each and name in reserved):
            numbers[each] = max(numbers[each], 1) + 1
            name = f"{each}-{numbers[each]}"
        taken.add(name)
        names.append(name)
    return names


def _macs(count: int) -> tuple[str, ...]:
    """Locally administered addresses that no other machine has: 32 random bits, then the number of the interface."""
    body = ":".join(f"{byte:02x}" for byte in secrets.token_bytes(4))
    return tuple(f"52:{body}:{index:02x}" for index in range(count))
