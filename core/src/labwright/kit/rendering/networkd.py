"""systemd.network(5): one file an interface, before those that match many."""

from __future__ import annotations

from collections.abc import Mapping

from labwright.kit.model import Port
from labwright.kit.rendering.named import Named, text

FOLDER = "/etc/systemd/network"


def place(name: str) -> str:
    """The file of an interface."""
    return f"{FOLDER}/05-labwright-{name}.network"


def render(named: Named) -> Mapping[str, str]:
    """The files."""
    found = {place(named.name(port)): _port(named, port) for port in named.node.ports}
    if lo := [address for port in named.node.loopbacks for address in port.addresses]:
        found[place("lo")] = text(["[Match]", "Name=lo", "", "[Network]", *(f"Address={each}" for each in lo)])
    if named.raw:
        found[f"{FOLDER}/06-labwright-raw.network"] = text([], raw=named.raw)
    return found


def _port(named: Named, port: Port) -> str:
    link = [f"MTUBytes={port.mtu}"] if port.mtu else []
    # RequiredForOnline: nothing at boot waits for a cable that leads nowhere.
    link += ["RequiredForOnline=no", f"ActivationPolicy={'up' if port.enabled else 'always-down'}"]
    network = [f"Description={port.description}"] if port.description else []
    network += ["IPv6AcceptRA=no", "ConfigureWithoutCarrier=yes", *(f"Address={each}" for each in port.addresses)]
    return text(["[Match]", f"Name={named.name(port)}", "", "[Link]", *link, "", "[Network]", *network])
