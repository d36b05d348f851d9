"""Both ends of everything that leads into QEMU: console, data interfaces, cables between the machines of a device."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labwright.publish.platform.start.links import Link
from labwright.publish.platform.start.settings import Device


@dataclass(frozen=True)
class Ends:
    """Descriptors that QEMU inherits. console: of the first machine. data: by the number of the data interface.

    inner: by role, of cables between machines; each machine takes one of the two. sizes: the largest packets (MTU).
    """

    console: int
    data: Mapping[int, int] = field(default_factory=dict)
    inner: Mapping[str, list[int]] = field(default_factory=dict)
    sizes: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Wiring:
    """serial: our end of the console. inherited: QEMU's ends. loose: ends of interfaces without a cable: they stay
    open, with nobody there. connected: the numbers of data interfaces with a cable."""

    serial: socket.socket
    ends: Ends
    inherited: Sequence[socket.socket]
    loose: Sequence[socket.socket]
    connected: frozenset[int]

    @classmethod
    def of(cls, device: Device, cables: Sequence[Link]) -> Wiring:
        """The wiring of a device: as many data interfaces as its image names, or more where there are more cables."""
        serial, console = socket.socketpair()
        plugs, loose = {cable.number: cable.end for cable in cables}, []
        for number in range(1, max([len(device.interfaces), *plugs]) + 1):
            if number not in plugs:
                plugs[number], other = _datagrams()
                loose.append(other)
        roles = dict.fromkeys(nic.role for machine in device.machines for nic in machine.nics)
        inner = {role: _datagrams() for role in roles if role.startswith("link:")}
        ends = Ends(
            console.fileno(),
            {number: plug.fileno() for number, plug in plugs.items()},
            {role: [end.fileno() for end in pair] for role, pair in inner.items()},
            {cable.number: cable.size for cable in cables},
        )
        inherited = [console, *plugs.values(), *(end for pair in inner.values() for end in pair)]
        return cls(serial, ends, inherited, loose, frozenset(cable.number for cable in cables))

    @property
    def count(self) -> int:
        """How many data interfaces the device has."""
        return len(self.ends.data)

    def hand_over(self) -> None:
        """Close what QEMU has by now: else we would not see that it ended."""
        for end in self.inherited:
            end.close()


def _datagrams() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
