"""NetworkManager's keyfiles, nm-settings-keyfile(5): one an interface."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from labwright.kit.model import Port
from labwright.kit.rendering.named import Named, text

FOLDER = "/etc/NetworkManager/system-connections"
OURS = uuid.UUID("6f1de1c5-7d60-4c9c-9a3e-6f2b7c7a40a1")
"""The name space of our connections: the same interface has the same UUID every time."""


def place(name: str) -> str:
    """The file of an interface. It must have mode 0600, or NetworkManager ignores it."""
    return f"{FOLDER}/labwright-{name.replace('/', '-')}.nmconnection"


def render(named: Named) -> Mapping[str, str]:
    """The files."""
    found = {place(named.name(port)): _port(named, port) for port in named.node.ports}
    if named.node.loopbacks:
        lo = named.node.loopbacks
        ipv4, ipv6 = ([each for port in lo for each in getattr(port, key)] for key in ("ipv4", "ipv6"))
        # What every loopback has: a profile of its own for lo replaces what the kernel gave it.
        lines = _connection("lo", "loopback", True)
        lines += _addresses("ipv4", ["127.0.0.1/8", *ipv4]) + _addresses("ipv6", ["::1/128", *ipv6])
        found[place("lo")] = text(lines)
    if named.raw:
        found[f"{FOLDER}/labwright-raw.nmconnection"] = text([], raw=named.raw)
    return found


def _port(named: Named, port: Port) -> str:
    comment = [f"# {port.description}"] if port.description else []
    ethernet = ["[ethernet]", f"mtu={port.mtu}", ""] if port.mtu else []
    lines = _connection(named.name(port), "ethernet", port.enabled)
    return text(comment, lines, ethernet, _addresses("ipv4", port.ipv4), _addresses("ipv6", port.ipv6))


def _connection(name: str, kind: str, enabled: bool) -> list[str]:
    return [
        "[connection]", f"id=labwright-{name}", f"uuid={uuid.uuid5(OURS, name)}", f"type={kind}",
        f"interface-name={name}", f"autoconnect={'true' if enabled else 'false'}", "autoconnect-priority=100", "",
    ]  # fmt: skip


def _addresses(family: str, addresses: tuple[str, ...] | list[str]) -> list[str]:
    none = "disabled" if family == "ipv4" else "link-local"
    lines = [f"[{family}]", f"method={'manual' if addresses else none}"]
    lines += [f"address{number}={address}" for number, address in enumerate(addresses, 1)]
    # A lab's data interface has no business with the way out of the machine.
    return [*lines, "never-default=true", ""]
