"""What the environment of the container says, and what the image says of its device."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

DEVICE = Path("/etc/labwright/device.json")
CONTRACT = (("tcp", 22), ("udp", 161), ("tcp", 830), ("tcp", 8080))
"""The ports that the platform forwards for every endpoint (antidote-images, launch scripts of cvx and frr)."""
STOP_SECONDS = 25.0
"""Kubernetes kills after 30 s by default (terminationGracePeriodSeconds)."""
PORT = re.compile(r"([0-9]{1,5})(?:/(tcp|udp))?")
INTERFACE = re.compile(r"[^\s/,]{1,15}")

Protocol = Literal["tcp", "udp"]


class Unusable(Exception):
    """The container cannot do what it is for. The message is for a person; code: the container's exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Forward:
    """A port of the container and where it goes in the guest."""

    protocol: str
    port: int
    inside: int


@dataclass(frozen=True)
class Settings:
    """LABWRIGHT_...: PORTS, beside the contract's; INTERFACES, SECONDS to wait for them; MEMORY in MiB of the first
    machine; SEED of MAC addresses; ACCELERATOR; STOP_SECONDS.
    """

    ports: tuple[tuple[str, int], ...] = ()
    interfaces: tuple[str, ...] = ()
    seconds: float | None = None
    memory: int = 0
    seed: str = ""
    accelerator: str = "auto"
    stop: float = STOP_SECONDS


@dataclass(frozen=True)
class Nic:
    """An interface: its role in the device and QEMU's name of its model."""

    role: str
    model: str


@dataclass(frozen=True)
class Machine:
    """One machine. words: QEMU's arguments by accelerator; `@work@` stands for the folder of this start.

    disks: bytes of each, by its name; extra: arguments after those of its interfaces.
    """

    name: str
    words: Mapping[str, tuple[str, ...]]
    nics: tuple[Nic, ...]
    disks: Mapping[str, int]
    extra: tuple[str, ...] = ()
    uefi: bool = False


@dataclass(frozen=True)
class Device:
    """All machines of the image, the first has the console. interfaces: names of its data interfaces.

    ports: of the guest, by what answers there. keys: whether Ctrl-Alt-Del shuts its system down, too.
    """

    machines: tuple[Machine, ...]
    interfaces: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    keys: bool = False


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings. Raises Unusable, naming the variable."""
    named = {name: environment.get(f"LABWRIGHT_{name}", "").strip() for name in (
        "PORTS", "INTERFACES", "INTERFACE_SECONDS", "MEMORY", "SEED", "ACCELERATOR", "STOP_SECONDS",
    )}  # fmt: skip
    seconds, stop = named["INTERFACE_SECONDS"], named["STOP_SECONDS"]
    return Settings(
        ports=tuple(_port(word.strip()) for word in named["PORTS"].split(",") if word.strip()),
        interfaces=tuple(_interface(word.strip()) for word in named["INTERFACES"].split(",") if word.strip()),
        seconds=_number("INTERFACE_SECONDS", seconds, 3600) if seconds else None,
        memory=_number("MEMORY", named["MEMORY"], 1 << 20) if named["MEMORY"] else 0,
        seed=named["SEED"],
        accelerator=_one_of("ACCELERATOR", named["ACCELERATOR"] or "auto", ("auto", "kvm", "tcg")),
        stop=_number("STOP_SECONDS", stop, 3600) if stop else STOP_SECONDS,
    )


def read_device(path: Path = DEVICE) -> Device:
    """The device of this image, as publish wrote it. Raises Unusable where the file is not there."""
    try:
        facts = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Unusable(f"this image has no device: {path}: {error}", 3) from error
    machines = tuple(
        Machine(
            name=one["name"],
            words={name: tuple(words) for name, words in one["words"].items()},
            nics=tuple(Nic(**nic) for nic in one["nics"]),
            disks=one["disks"],
            extra=tuple(one["extra"]),
            uefi=one["uefi"],
        )
        for one in facts["machines"]
    )
    return Device(machines, tuple(facts["interfaces"]), facts["ports"], facts["keys"])


def forwards(device: Device, settings: Settings) -> tuple[Forward, ...]:
    """What listens on the container's addresses: each port once, SSH where the device has it."""
    ports = [*CONTRACT, *(("tcp", port) for name, port in device.ports.items() if name != "ssh"), *settings.ports]
    inside = {("tcp", 22): device.ports.get("ssh", 22)}
    return tuple(Forward(*port, inside.get(port, port[1])) for port in dict.fromkeys(ports))


def _port(word: str) -> tuple[str, int]:
    found = PORT.fullmatch(word)
    if not found or not 1 <= int(found[1]) <= 65535:
        raise Unusable(f"LABWRIGHT_PORTS: {word!r} is no port, such as 8443 or 161/udp", 2)
    return found[2] or "tcp", int(found[1])


def _interface(word: str) -> str:
    if not INTERFACE.fullmatch(word) or word in {".", "..", "lo", "eth0"}:
        raise Unusable(f"LABWRIGHT_INTERFACES: {word!r} is no interface for data, such as net1", 2)
    return word


def _number(name: str, word: str, largest: int) -> int:
    if not (word.isascii() and word.isdigit()) or not 1 <= int(word) <= largest:
        raise Unusable(f"LABWRIGHT_{name}: {word!r} is no number from 1 to {largest}", 2)
    return int(word)


def _one_of(name: str, word: str, words: tuple[str, ...]) -> str:
    if word not in words:
        raise Unusable(f"LABWRIGHT_{name}: {word!r} is none of {', '.join(words)}", 2)
    return word
