"""interfaces(5), for Debian's ifupdown and for ifupdown2."""

from __future__ import annotations

from labwright.kit.model import Port
from labwright.kit.rendering.named import Named, text


def render(named: Named) -> str:
    """A file for /etc/network/interfaces.d."""
    lo = [address for port in named.node.loopbacks for address in port.addresses]
    # As commands: ifupdown takes no address for the method loopback, and says nothing.
    loopback = ["auto lo", "iface lo inet loopback", *(f"    up ip address replace {each} dev lo" for each in lo), ""]
    return text(loopback if lo else [], *(_port(named, port) for port in named.node.ports), raw=named.raw)


def _port(named: Named, port: Port) -> list[str]:
    name = named.name(port)
    lines = [f"# {port.description}"] if port.description else []
    lines += [f"auto {name}"] if port.enabled else []
    stanzas = [("inet", each) for each in port.ipv4] + [("inet6", each) for each in port.ipv6]
    for number, (family, address) in enumerate(stanzas or [("inet", "")]):
        lines.append(f"iface {name} {family} {'static' if address else 'manual'}")
        if address:
            lines.append(f"    address {address}")
        if family == "inet6":
            # Else ifup waits for duplicate address detection, which has no end where the cable's other end is off.
            lines.append("    dad-attempts 0")
        if number == 0:
            lines += [f"    pre-up ip link set dev {name} mtu {port.mtu}"] if port.mtu else []
            lines += [] if address else [f"    up ip link set dev {name} up", f"    down ip link set dev {name} down"]
    return [*lines, ""]
