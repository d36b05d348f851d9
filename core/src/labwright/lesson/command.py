"""QEMU's command lines for the machines of a lab."""

from __future__ import annotations

import itertools
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.lesson.plan import GUEST, TRANSLATIONS, LabPlan, LinkPlan, MachinePlan
from labwright.spec.hardware import DATA, MANAGEMENT, UNUSED
from labwright.vm.device import DeviceSpec, Place, each_role
from labwright.vm.device import command_line as machine_line
from labwright.vm.machine import APPEND, escaped
from labwright.vm.ready import CLOSED_PORT

FORWARD = Path(__file__).parent / "keeper" / "forward.py"
CONFINED = ("setpriv", "--no-new-privs", "--bounding-set=-all,+net_bind_service", "--inh-caps=-all", "--")
"""What a guest that breaks out of QEMU finds: no right in the lab's network but to open its own ports."""
SANDBOX = "on,obsolete=deny,resourcecontrol=deny"
"""spawn is allowed: connections to other guests are processes (management()), and libslirp calls setsid for them, which
is among what elevateprivileges denies; CONFINED keeps rights from growing."""
MEMORY = "@memory@"
"""Stands for the file with a snapshot's memory until QEMU is started with it open."""


@dataclass(frozen=True)
class Order:
    """One QEMU to start. endpoint: whose; machine: its name within the device. memory: file with that of a snapshot.

    control: the socket of its monitor. opens: sockets that a later QEMU of the same device connects to.
    """

    endpoint: str
    machine: str
    argv: tuple[str, ...]
    complaints: Path
    control: Path
    memory: Path | None = None
    opens: tuple[Path, ...] = ()


@dataclass(frozen=True)
class WireEnd:
    """One end of a link: the sockets on which frames come from QEMU and go to it."""

    theirs: Path
    ours: Path


@dataclass(frozen=True)
class WirePlan:
    """A link as the keeper sees it."""

    name: str
    a: WireEnd
    b: WireEnd


def wire_of(link: LinkPlan, number: int, sockets: Path) -> WirePlan:
    """The sockets of a link; names are short, since a path of one has at most 107 bytes (unix(7))."""
    ends = [WireEnd(sockets / f"{number}{side}.t", sockets / f"{number}{side}.o") for side in "ab"]
    return WirePlan(link.name, ends[0], ends[1])


def orders(
    plan: LabPlan, machine: MachinePlan, disks: Mapping[str, Path], number: int, sockets: Path, files: Path,
    accelerator: str, memory: Path | None,
) -> tuple[Order, ...]:  # fmt: skip
    """The QEMUs of one endpoint. disks: overlays, by name. number: of the endpoint, for names of sockets.

    memory: of the snapshot that it goes on from, None for a boot.
    """
    hardware = machine.image.hardware
    spec = DeviceSpec(machine.name, hardware, disks, bounded(accelerator), machine.data)
    macs, opened, data = iter(machine.macs), set[Path](), itertools.count(1)
    made = []
    for index, one in enumerate(hardware.machines):
        place, before = Place(sockets, files, f"{number}{'abcd'[index]}"), frozenset(opened)
        words = [*CONFINED, *machine_line(spec, one, place, disks), "-sandbox", SANDBOX]
        if index == 0:
            console = f"socket,id=console,path={escaped(place.socket)},server=on,wait=off"
            words += ["-chardev", f"{console},logfile={escaped(place.console)},logappend=on"]
            words += ["-serial", "chardev:console"]
            words += _linux(machine)
        for seat, role in enumerate(each_role(one.nics, machine.data)):
            mac = next(macs) if role in {MANAGEMENT, DATA} else f"52:54:00:4c:{number:02x}:{seat:02x}"
            if role == MANAGEMENT:
                ways = management(plan, machine, sockets / f"{number}f", memory is not None)
                backend = ",".join(("user,restrict=on,ipv6=off,net=10.0.0.0/24", *ways))
            elif role == DATA:
                backend = _wire(plan, machine.name, next(data), sockets) or f"hubport,hubid={seat}"
            else:
                backend = _inner(machine, role, seat, sockets, opened)
            words += ["-netdev", f"{backend},id=n{seat}"]
            words += ["-device", f"{one.nic},id=nic{seat},netdev=n{seat},mac={mac},romfile="]
        if memory:
            words += ["-incoming", MEMORY]
        opens = tuple(sorted(opened - before))
        made.append(Order(machine.name, one.name, tuple(words), place.complaints, place.control, memory, opens))
    return tuple(made)


def bounded(accelerator: str) -> str:
    """QEMU's -accel. Its translations of a guest's code take up to a gigabyte for each machine unless they may not."""
    return f"tcg,tb-size={TRANSLATIONS}" if accelerator == "tcg" else accelerator


def _linux(machine: MachinePlan) -> list[str]:
    """What a PC with virtio has beside its disk, and a faster way to start it than by its boot loader."""
    if machine.image.kernel is None:
        return []
    return ["-device", "virtio-rng-pci", "-kernel", str(machine.image.kernel), "-append", APPEND]


def _inner(machine: MachinePlan, role: str, seat: int, sockets: Path, opened: set[Path]) -> str:
    """An interface that nobody uses, or one end of a cable between two machines of a device."""
    if role == UNUSED:
        return f"hubport,hubid={seat}"
    place = sockets / f"{machine.address.rpartition('.')[2]}-{role[5:]}"
    server = "on" if place not in opened else "off"
    opened.add(place)
    return f"stream,server={server},addr.type=unix,addr.path={escaped(place)}"


def management(plan: LabPlan, machine: MachinePlan, places: Path, resumed: bool = False) -> Iterator[str]:
    """Options of user-mode networking: the ports that are reached, and the other endpoints' that it reaches.

    places: the beginning of names of files, for its connections to others. resumed: its addresses are given out by
    their place in a table that is part of the snapshot (libslirp's bootp.c): the first place is the former MAC
    address's, so the new one gets the second.
    """
    yield f"dhcpstart={_before(GUEST) if resumed else GUEST}"
    for port in (CLOSED_PORT, *machine.ports):
        yield f"hostfwd=tcp:{machine.address}:{port}-{GUEST}:{port}"
    for other in plan.machines:
        if other is not machine:
            for port in other.ports:
                yield f"guestfwd=tcp:{other.peer_address}:{port}-cmd:{escaped(_forwarder(other.address, port, places))}"


def _before(address: str) -> str:
    head, _, last = address.rpartition(".")
    return f"{head}.{int(last) - 1}"


def _forwarder(address: str, port: int, places: Path) -> str:
    """A command that connects its standard streams with a port; QEMU splits it as a shell would, and starts none."""
    return shlex.join([sys.executable, "-I", "-S", str(FORWARD), address, str(port), str(places)])


def _wire(plan: LabPlan, endpoint: str, interface: int, sockets: Path) -> str:
    """Datagrams of whole frames, whatever is in them, between QEMU and the keeper."""
    for number, link in enumerate(plan.links):
        wire = wire_of(link, number, sockets)
        for end, place in ((link.a, wire.a), (link.b, wire.b)):
            if (end.endpoint, end.interface) == (endpoint, interface):
                ours, theirs = escaped(place.ours), escaped(place.theirs)
                return f"dgram,local.type=unix,local.path={theirs},remote.type=unix,remote.path={ours}"
    return ""


def data_seats(machine: MachinePlan) -> tuple[int, ...]:
    """On which seats of their machine's bus the data interfaces are, as in QEMU's names for them: nicSEAT."""
    for one in machine.image.hardware.machines:
        if DATA in one.nics:
            roles = each_role(one.nics, machine.data)
            return tuple(seat for seat, role in enumerate(roles) if role == DATA)
    return ()


def names_of(machine: MachinePlan) -> Sequence[str]:
    """The names of all interfaces, the management one first; those that its image does not name are Linux's."""
    named = machine.image.interfaces
    return [
        "eth0" if machine.image.shell else "management",
        *named,
        *(f"eth{index}" for index in range(len(named) + 1, machine.data + 1)),
    ]
