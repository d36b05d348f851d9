"""The machine that a device's disks run in: data, written in profiles and kept beside finished images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from labwright.spec.image import NAME, Strict

MANAGEMENT, DATA, UNUSED = "management", "data", "unused"
NicRole = Annotated[str, Field(pattern=rf"^({MANAGEMENT}|{DATA}|{UNUSED}|link:[a-z][a-z0-9-]{{0,15}})$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class Disk(Strict):
    """A disk of a machine. name: `system` is the one in build.from; the others are in build.disks, by their names."""

    name: str = Field("system", pattern=NAME, description="system, or a name in build.disks.")
    bus: Literal["virtio", "ide", "sata", "scsi"] = Field("virtio", description="What the disk hangs on.")


class ConfigDisk(Strict):
    """A disk with files that the system reads at its first start; it is not part of the image."""

    format: Literal["iso", "fat"] = Field(description="A CD, or a USB stick with a FAT file system.")
    label: str = Field("config", pattern=r"^[A-Za-z0-9_-]{1,11}$", description="Volume label.")
    files: dict[str, str] = Field(description="Texts by their paths; Jinja2 templates.")

    @field_validator("files")
    @classmethod
    def _relative(cls, files: dict[str, str]) -> dict[str, str]:
        for path in files:
            if not path or path.startswith("/") or {"", ".", ".."} & set(path.split("/")):
                raise ValueError(f"{path!r} is not the path of a file on a disk, such as configs/base.conf")
        return files


class Machine(Strict):
    """One virtual machine of a device."""

    name: str = Field(pattern=NAME, description="Its name within the device.")
    memory: Annotated[int, Field(ge=64, le=65536)] = Field(description="MiB.")
    processors: Annotated[int, Field(ge=1, le=32)] = Field(1, description="How many.")
    model: str = Field(
        "max", pattern=r"^[A-Za-z0-9_.,+=-]{1,80}$", description="QEMU's -cpu; host becomes max without KVM."
    )
    board: Literal["pc", "q35"] = Field("pc", description="QEMU's -machine.")
    firmware: Literal["bios", "uefi"] = Field("bios", description="What starts it.")
    disks: tuple[Disk, ...] = Field((Disk(),), min_length=1, max_length=8, description="In the order of their buses.")
    nic: Literal["virtio-net-pci", "e1000", "e1000e", "vmxnet3", "rtl8139"] = Field(
        "virtio-net-pci", description="QEMU's name of the model of its interfaces."
    )
    nics: tuple[NicRole, ...] = Field(
        (MANAGEMENT, DATA), min_length=1, max_length=16,
        description="In bus order: management, link:NAME to another machine, unused, data (all data interfaces).",
    )  # fmt: skip
    smbios: tuple[Annotated[str, Field(pattern=r"^type=[0-9]{1,3}(,[^,\x00-\x1f]+)*$")], ...] = Field(
        (), description="QEMU's -smbios, such as type=1,product=VM-VEX."
    )
    config: ConfigDisk | None = Field(None, description="A disk with files for the first start.")

    @field_validator("smbios")
    @classmethod
    def _values(cls, smbios: tuple[str, ...]) -> tuple[str, ...]:
        for value in smbios:
            if {part.partition("=")[0] for part in value.split(",")} & {"file", "path"}:
                raise ValueError(f"{value!r} names a file of the host")
        return smbios

    @model_validator(mode="after")
    def _seats(self) -> Machine:
        buses = [disk.bus for disk in self.disks] + (["ide"] if self.config and self.config.format == "iso" else [])
        on_ahci = [bus for bus in buses if bus == "sata" or (bus == "ide" and self.board == "q35")]
        if len(on_ahci) > 6 or len([bus for bus in buses if bus == "ide"]) > 4:
            raise ValueError("more disks than the board has places for: 4 on IDE, 6 on SATA")
        return self

    @field_validator("nics")
    @classmethod
    def _data_once(cls, nics: tuple[str, ...]) -> tuple[str, ...]:
        if nics.count(DATA) > 1 or nics.count(MANAGEMENT) > 1:
            raise ValueError("management and data each stand once")
        return nics


class Hardware(Strict):
    """A device: one or several machines, linked to each other.

    ports: of the management address, by what answers there; ssh is wanted. boot: seconds with KVM, power-on to ready.
    """

    machines: tuple[Machine, ...] = Field(min_length=1, max_length=4, description="The first one has the console.")
    ports: dict[str, Port] = Field({"ssh": 22}, description="Ports of the management address that are reached.")
    boot: Annotated[int, Field(ge=1, le=7200)] = Field(120, description="Seconds from power-on to ready, with KVM.")
    shell: bool = Field(False, description="Whether users log in to a POSIX shell, so that an image's test.sh can run.")

    @field_validator("ports")
    @classmethod
    def _named(cls, ports: dict[str, int]) -> dict[str, int]:
        if "ssh" not in ports:
            raise ValueError("a port for ssh is wanted: learners log in by it")
        return ports

    @model_validator(mode="after")
    def _fits(self) -> Hardware:
        names = [machine.name for machine in self.machines]
        _once("machine", names)
        roles = [role for machine in self.machines for role in machine.nics]
        for role in (MANAGEMENT, DATA):
            if roles.count(role) > 1:
                raise ValueError(f"two machines have {role} interfaces: one has them all")
        if MANAGEMENT not in roles:
            raise ValueError("no machine has a management interface")
        for role in {role for role in roles if role.startswith("link:")}:
            if roles.count(role) != 2:
                raise ValueError(f"{role} has {roles.count(role)} ends: a link has two")
        _once("disk", [disk.name for disk in self.disks])
        if self.disks[0].name != "system":
            raise ValueError("the first disk of the first machine is called system: the one in build.from")
        return self

    @property
    def disks(self) -> tuple[Disk, ...]:
        """The disks of all machines."""
        return tuple(disk for machine in self.machines for disk in machine.disks)

    @property
    def more_disks(self) -> tuple[str, ...]:
        """The names of the disks beside the one in build.from."""
        return tuple(disk.name for disk in self.disks[1:])

    @property
    def memory(self) -> int:
        """MiB of all machines."""
        return sum(machine.memory for machine in self.machines)


def _once(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two of a {what} are called {name!r}")
