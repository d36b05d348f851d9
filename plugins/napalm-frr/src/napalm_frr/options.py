"""What a caller may say in `optional_args`, checked once and early."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

log = logging.getLogger("napalm_frr")


@dataclass(frozen=True)
class Options:
    """Where FRR is and how to reach it. Defaults are those of FRR's own packages.

    transport: `ssh`, or `local` for the machine that this runs on.
    port: of the SSH server. key_file, passphrase, allow_agent: keys for SSH. ssh_strict: refuse a server whose key is
    not in the known-hosts file (known_hosts; empty: the user's own).
    vty_socket, config_dir: FRR's folders; empty: as FRR was built. pathspace: FRR's name for a set of daemons, for the
    two of them. netns: a network namespace, which wants root.
    sudo: True, False or "auto": only when FRR does not let the user in without it.
    frr_reload: path of frr-reload.py; empty: the places where packages put it.
    hostname_file: where a changed host name is kept over a reboot; empty: nowhere.
    """

    transport: str = "ssh"
    port: int = 22
    key_file: str = ""
    passphrase: str = ""
    allow_agent: bool = False
    ssh_strict: bool = False
    known_hosts: str = ""
    vty_socket: str = ""
    config_dir: str = ""
    pathspace: str = ""
    netns: str = ""
    sudo: bool | str = "auto"
    frr_reload: str = ""
    hostname_file: str = "/etc/hostname"

    def __post_init__(self) -> None:
        if self.transport not in ("ssh", "local"):
            raise ValueError(f"optional_args: transport is 'ssh' or 'local', not {self.transport!r}")
        if not isinstance(self.sudo, bool) and self.sudo != "auto":
            raise ValueError(f"optional_args: sudo is True, False or 'auto', not {self.sudo!r}")
        if self.pathspace and (self.vty_socket or self.config_dir):
            raise ValueError("optional_args: pathspace stands for vty_socket and config_dir: say one or the other")
        for name in ("pathspace", "netns"):
            if not re.fullmatch(r"[\w][\w.-]*|", getattr(self, name)):
                raise ValueError(f"optional_args: {name} is a plain name, not {getattr(self, name)!r}")

    @classmethod
    def parse(cls, given: Mapping[str, Any] | None) -> Options:
        """Raises ValueError. Other drivers' options are passed over: callers give one dictionary to all devices."""
        known = {field.name for field in fields(cls)}
        given = dict(given or {})
        if others := sorted(given.keys() - known):
            log.debug("optional_args that napalm-frr does not know: %s", ", ".join(others))
        return cls(**{name: value for name, value in given.items() if name in known and value is not None})

    @property
    def sockets(self) -> str:
        """The folder of the daemons' sockets, or empty for vtysh's own."""
        return f"/var/run/frr/{self.pathspace}" if self.pathspace else self.vty_socket

    @property
    def config(self) -> str:
        """The folder of FRR's configuration files, or empty for vtysh's own."""
        return f"/etc/frr/{self.pathspace}" if self.pathspace else self.config_dir
