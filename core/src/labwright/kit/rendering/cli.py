"""The three that speak like Cisco's IOS: EOS, IOS and NX-OS. By their documentation; no vendor's system was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface, ip_network

from labwright.kit.model import Bgp, Ospf, Port
from labwright.kit.rendering.named import Named, text


@dataclass(frozen=True)
class Dialect:
    """Where the three differ.

    before: lines that switch on what is used. routed: the line that makes a port one of layer 3. slash: whether an
    address has a prefix length, or a mask. on_interface: how OSPF is switched on there, with {process} and {area}.
    """

    before: Callable[[Named], list[str]]
    routed: str
    slash: bool
    process: str
    on_interface: str


def _eos_before(named: Named) -> list[str]:
    routes6 = any(port.ipv6 for port in named.node.interfaces)
    return ["ip routing", *(["ipv6 unicast-routing"] if routes6 else []), "!"] if named.all else []


def _ios_before(named: Named) -> list[str]:
    return ["ipv6 unicast-routing", "!"] if any(port.ipv6 for port in named.node.interfaces) else []


def _nxos_before(named: Named) -> list[str]:
    wanted = [name for name, asked in (("bgp", named.node.bgp), ("ospf", named.node.ospf)) if asked]
    return [f"feature {name}" for name in wanted] + (["!"] if wanted else [])


EOS = Dialect(_eos_before, "no switchport", True, "1", "ip ospf area {area}")
IOS = Dialect(_ios_before, "", False, "1", "ip ospf {process} area {area}")
NXOS = Dialect(_nxos_before, "no switchport", True, "1", "ip router ospf {process} area {area}")


def _hostname(named: Named) -> list[str]:
    return [f"hostname {named.node.hostname}", "!"] if named.node.hostname else []


def _interfaces(named: Named, dialect: Dialect) -> list[str]:
    lines = []
    for port in named.all:
        lines += [f"interface {named.name(port)}", *_interface(named, port, dialect), "!"]
    return lines


def _interface(named: Named, port: Port, dialect: Dialect) -> list[str]:
    lines = [f" description {port.description}"] if port.description else []
    lines += [f" {dialect.routed}"] if dialect.routed and port.index is not None else []
    lines += [f" mtu {port.mtu}"] if port.mtu else []
    for number, address in enumerate(port.ipv4):
        lines.append(f" ip address {_address(address, dialect)}{' secondary' if number else ''}")
    lines += [f" ipv6 address {address}" for address in port.ipv6]
    if area := named.node.area_of(port):
        lines.append(" " + dialect.on_interface.format(process=dialect.process, area=area))
    return [*lines, " no shutdown" if port.enabled else " shutdown"]


def _address(address: str, dialect: Dialect) -> str:
    found = ip_interface(address)
    return address if dialect.slash else f"{found.ip} {found.netmask}"


def _ospf(named: Named, ospf: Ospf, dialect: Dialect) -> list[str]:
    router_id = named.node.router_id(ospf)
    return [f"router ospf {dialect.process}", *([f" router-id {router_id}"] if router_id else []), "!"]


def _bgp(named: Named, bgp: Bgp, dialect: Dialect) -> list[str]:
    """EOS and IOS: neighbours first, then what each address family has of them."""
    router_id = named.node.router_id(bgp)
    lines = [f"router bgp {bgp.asn}"]
    lines += [f" {'' if dialect is EOS else 'bgp '}router-id {router_id}"] if router_id else []
    # Else IOS puts every neighbour into IPv4's family by itself, IPv6 ones too.
    lines += [" no bgp default ipv4-unicast"]
    for each in bgp.neighbors:
        lines.append(f" neighbor {each.peer} remote-as {each.remote_as}")
        lines += [f" neighbor {each.peer} description {each.description}"] if each.description else []
    for version in (4, 6):
        inside = [f"  network {_prefix(prefix, dialect)}" for prefix in bgp.prefixes(version)]
        inside += [f"  neighbor {each.peer} activate" for each in bgp.peers(version)]
        if inside:
            family = f"ipv{version}" if dialect is EOS else f"ipv{version} unicast"
            lines += [" !", f" address-family {family}", *inside, *([" exit-address-family"] if dialect is IOS else [])]
    return [*lines, "!"]


def _prefix(prefix: str, dialect: Dialect) -> str:
    found = ip_network(prefix)
    return prefix if dialect.slash or found.version == 6 else f"{found.network_address} mask {found.netmask}"


def _nxos_bgp(named: Named, bgp: Bgp) -> list[str]:
    """NX-OS: a neighbour is a place of its own, with its families inside."""
    router_id = named.node.router_id(bgp)
    lines = [f"router bgp {bgp.asn}", *([f"  router-id {router_id}"] if router_id else [])]
    for version in (4, 6):
        if bgp.prefixes(version) or bgp.peers(version):
            lines.append(f"  address-family ipv{version} unicast")
            lines += [f"    network {prefix}" for prefix in bgp.prefixes(version)]
    for each in bgp.neighbors:
        lines += [f"  neighbor {each.peer}", f"    remote-as {each.remote_as}"]
        lines += [f"    description {each.description}"] if each.description else []
        lines.append(f"    address-family ipv{each.version} unicast")
    return [*lines, "!"]


def _routing(named: Named, dialect: Dialect) -> list[str]:
    node = named.node
    ospf = _ospf(named, node.ospf, dialect) if node.ospf else []
    return ospf + (_neighbors(named, node.bgp, dialect) if node.bgp else [])


def _neighbors(named: Named, bgp: Bgp, dialect: Dialect) -> list[str]:
    return _nxos_bgp(named, bgp) if dialect is NXOS else _bgp(named, bgp, dialect)


def _all(named: Named, dialect: Dialect) -> list[str]:
    node = named.node
    # OSPF's process before the interfaces that name it: IOS would make one for them, and choose its router id itself.
    ospf = _ospf(named, node.ospf, dialect) if node.ospf else []
    bgp = _neighbors(named, node.bgp, dialect) if node.bgp else []
    return [*_hostname(named), *dialect.before(named), *ospf, *_interfaces(named, dialect), *bgp]


def eos(named: Named) -> str:
    """Arista EOS."""
    return text(_all(named, EOS), raw=named.raw)


def ios(named: Named) -> str:
    """Cisco IOS and IOS XE."""
    return text(_all(named, IOS), raw=named.raw)


def nxos(named: Named) -> str:
    """Cisco NX-OS."""
    return text(_all(named, NXOS), raw=named.raw)


def nxos_json(named: Named) -> str:
    """The same commands as a request of NX-API's JSON-RPC, in which each is a text of its own."""
    lines = [line.strip() for line in nxos(named).splitlines()]
    commands = [line for line in lines if line and line != "!"]
    calls = [
        {"jsonrpc": "2.0", "method": "cli_ascii", "params": {"cmd": command, "version": 1}, "id": number}
        for number, command in enumerate(["configure terminal", *commands], 1)
    ]
    # A line a call: with `indent` Python's own encoder would do it, at a fifth of the speed.
    return "[\n" + ",\n".join(map(json.dumps, calls)) + "\n]\n"


def _parts(dialect: Dialect) -> Mapping[str, Callable[[Named], str]]:
    return {
        "hostname": lambda named: text(_hostname(named)),
        "interfaces": lambda named: text(dialect.before(named), _interfaces(named, dialect)),
        "routing": lambda named: text(_routing(named, dialect)),
        "raw": lambda named: text(raw=named.raw),
    }


EOS_PARTS, IOS_PARTS, NXOS_PARTS = map(_parts, (EOS, IOS, NXOS))
