"""FRR's integrated configuration, as vtysh reads it."""

from __future__ import annotations

from labwright.kit.model import Bgp, Ospf, Port
from labwright.kit.rendering.named import Named, text


def render(named: Named) -> str:
    """A frr.conf."""
    return text(_hostname(named), _interfaces(named, True), _routing(named), raw=named.raw)


def routing(named: Named) -> str:
    """A frr.conf for a machine whose addresses somebody else sets."""
    return text(_interfaces(named, False), _routing(named), raw=named.raw)


def _hostname(named: Named) -> list[str]:
    return [f"hostname {named.node.hostname}", "!"] if named.node.hostname else []


def _interfaces(named: Named, addresses: bool) -> list[str]:
    lines: list[str] = []
    by_name: dict[str, list[Port]] = {}
    for port in named.all:
        by_name.setdefault(named.name(port), []).append(port)
    for name, ports in by_name.items():
        inside = [line for port in ports for line in _interface(named, port, addresses)]
        lines += [f"interface {name}", *dict.fromkeys(inside), "exit", "!"] if inside else []
    return lines


def _interface(named: Named, port: Port, addresses: bool) -> list[str]:
    lines = []
    if addresses:
        # FRR sets no MTU: it belongs to the kernel.
        lines += [f" description {port.description}"] if port.description else []
        lines += [f" ip address {each}" for each in port.ipv4] + [f" ipv6 address {each}" for each in port.ipv6]
        lines += [] if port.enabled else [" shutdown"]
    area = named.node.area_of(port)
    return lines + ([f" ip ospf area {area}"] if area else [])


def _routing(named: Named) -> list[str]:
    node = named.node
    return (_bgp(named, node.bgp) if node.bgp else []) + (_ospf(named, node.ospf) if node.ospf else [])


def _bgp(named: Named, bgp: Bgp) -> list[str]:
    router_id = named.node.router_id(bgp)
    lines = [f"router bgp {bgp.asn}", *([f" bgp router-id {router_id}"] if router_id else [])]
    # Else FRR announces nothing over eBGP before somebody has written policies (RFC 8212).
    lines += [" no bgp ebgp-requires-policy"]
    for each in bgp.neighbors:
        lines.append(f" neighbor {each.peer} remote-as {each.remote_as}")
        lines += [f" neighbor {each.peer} description {each.description}"] if each.description else []
    for version in (4, 6):
        inside = [f"  network {prefix}" for prefix in bgp.prefixes(version)]
        inside += [f"  neighbor {each.peer} activate" for each in bgp.peers(6)] if version == 6 else []
        inside += [f"  no neighbor {each.peer} activate" for each in bgp.peers(6)] if version == 4 else []
        if inside:
            lines += [" !", f" address-family ipv{version} unicast", *inside, " exit-address-family"]
    return [*lines, "exit", "!"]


def _ospf(named: Named, ospf: Ospf) -> list[str]:
    router_id = named.node.router_id(ospf)
    return ["router ospf", *([f" ospf router-id {router_id}"] if router_id else []), "exit", "!"]


PARTS = {
    "hostname": lambda named: text(_hostname(named)),
    "interfaces": lambda named: text(_interfaces(named, True)),
    "routing": lambda named: text(_routing(named)),
    "raw": lambda named: text(raw=named.raw),
}
