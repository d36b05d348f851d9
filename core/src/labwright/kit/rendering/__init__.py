"""Renders the model of a node in each system's own syntax."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from labwright.errors import Cause
from labwright.kit.errors import KitError
from labwright.kit.model import Node
from labwright.kit.rendering import cli, frr, ifupdown, junos, networkd, networkmanager
from labwright.kit.rendering.named import Named
from labwright.kit.systems import SYSTEMS, Names, System, interface_name, system

__all__ = ["PARTS", "SYSTEMS", "part", "render"]

Rendered = str | Mapping[str, str]
RENDERERS: Mapping[str, Callable[[Named], Rendered]] = {
    "ifupdown": ifupdown.render,
    "networkd": networkd.render,
    "networkmanager": networkmanager.render,
    "frr": frr.render,
    "junos": junos.render,
    "eos": cli.eos,
    "ios": cli.ios,
    "nxos": cli.nxos,
    "nxos-json": cli.nxos_json,
}
PARTS: Mapping[str, Mapping[str, Callable[[Named], str]]] = {
    "frr": frr.PARTS,
    "junos": junos.PARTS,
    "eos": cli.EOS_PARTS,
    "ios": cli.IOS_PARTS,
    "nxos": cli.NXOS_PARTS,
}
"""For templates, which put them together themselves: hostname, interfaces, routing, raw."""


def render(node: Node, system_name: str, names: Names = None) -> Rendered:
    """The configuration of a node: a text, or for networkd and networkmanager the texts of files by their places.

    system_name: one of SYSTEMS. names: the real names of its interfaces, in the order of their indexes or by index; by
    default those that the system itself gives. Raises KitError (config).
    """
    return RENDERERS[_known(system_name, RENDERERS)](named(node, system_name, names))


def part(node: Node, system_name: str, which: str, names: Names = None) -> str:
    """One part of it: hostname, interfaces, routing or raw. Raises KitError (config)."""
    parts = PARTS[_known(system_name, PARTS)]
    if which not in parts:
        raise KitError(f"{which!r} is no part", cause=Cause.CONFIG, hint=f"one of {', '.join(parts)}")
    return parts[which](named(node, system_name, names))


def named(node: Node, system_name: str, names: Names = None) -> Named:
    """A node with the names that a system gives to its interfaces. Raises KitError (config)."""
    what = system(system_name)
    ports = {port.index or 0: interface_name(system_name, port.index or 0, names) for port in node.ports}
    if names is not None:
        _check_names(list(ports.values()), what)
    texts = [port.description for port in node.interfaces]
    texts += [each.description for each in (node.bgp.neighbors if node.bgp else ())]
    for text in texts if what.refused else ():
        if bad := set(text) & set(what.refused):
            raise KitError(f"{text!r}: {system_name} misreads {min(bad)} in a description", cause=Cause.CONFIG)
    return Named(node, ports, what.loopback, node.raw.get(system_name, ""))


def _check_names(names: list[str], what: System) -> None:
    for name in names:
        if not what.names.fullmatch(name):
            raise KitError(f"{name!r} is not the name of an interface", cause=Cause.CONFIG)
        if name == what.loopback:
            raise KitError(
                f"{name} is the loopback: the model has it as `loopback`, not by an index", cause=Cause.CONFIG
            )
        # Of two files with one name the second would replace the first.
        if names.count(name) > 1:
            raise KitError(f"two interfaces of the model are called {name}", cause=Cause.CONFIG)


def _known(name: str, table: Mapping[str, object]) -> str:
    if name not in table:
        raise KitError(f"there is no rendering for {name!r}", cause=Cause.CONFIG, hint=f"one of {', '.join(table)}")
    return name
