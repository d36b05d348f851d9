"""What network interfaces a machine has, as iproute2 says it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labwright.kit.errors import KitError

if TYPE_CHECKING:
    from labwright.kit.host import Host


@dataclass(frozen=True)
class Interface:
    """One interface. up: whether it is switched on. addresses: with their prefix lengths, link-local ones too.

    altnames: its further names (ip-link(8)).
    """

    name: str
    up: bool
    mtu: int
    mac: str
    addresses: tuple[str, ...]
    altnames: tuple[str, ...] = ()


def read(host: Host) -> dict[str, Interface]:
    """The interfaces of a machine by name. Raises KitError."""
    answer = host.run(["ip", "-json", "address", "show"])
    try:
        found = [_interface(each) for each in json.loads(answer.output)]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise KitError(f"`ip -json address show` says something else than expected on {host.name}") from None
    return {each.name: each for each in found}


def _interface(data: dict[str, object]) -> Interface:
    addresses = data.get("addr_info") or []
    assert isinstance(addresses, list)
    flags, altnames = data["flags"], data.get("altnames") or []
    assert isinstance(flags, list)
    assert isinstance(altnames, list)
    return Interface(
        str(data["ifname"]), "UP" in flags, int(str(data["mtu"])), str(data.get("address", "")),
        tuple(f"{each['local']}/{each['prefixlen']}" for each in addresses if "local" in each),
        tuple(map(str, altnames)),
    )  # fmt: skip
