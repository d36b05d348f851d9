"""Makes a Linux machine what a model says: files for whatever manages its interfaces, and FRR for routing."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import TYPE_CHECKING

from labwright.errors import Cause
from labwright.kit import routing
from labwright.kit.errors import KitError
from labwright.kit.files import File
from labwright.kit.former import Former, Traces, former, interface_of, read_files
from labwright.kit.interfaces import Interface
from labwright.kit.model import Node, Port
from labwright.kit.rendering import ifupdown, named, networkd, networkmanager
from labwright.kit.rendering.named import Named

if TYPE_CHECKING:
    from labwright.kit.host import Host

MANAGEMENT = frozenset({"eth0", "enp0s3f0"})
"""What a machine of a lab is reached by: labwright's name, and the one of the public lessons."""
IFUPDOWN = "/etc/network/interfaces.d/labwright"
ADDRESSES_SECONDS, STAYS = 60.0, 0.5


@dataclass(frozen=True)
class Manager:
    """What manages interfaces. runs: succeeds where it does. files: renders. mode: of its files.

    ours: a pattern of shell for all files of ours. traces: where those say what an earlier model left. up, down:
    commands for one interface whose file is new, {} is its name. once: a command after the files have changed.
    """

    runs: str
    files: Callable[[Named], Mapping[str, str]]
    mode: str
    ours: str
    traces: Traces
    up: str
    down: str
    once: str = "true"


def _ifupdown_files(named: Named) -> Mapping[str, str]:
    return {IFUPDOWN: ifupdown.render(named)}


MANAGERS: Mapping[str, Manager] = {
    "networkmanager": Manager(
        "systemctl -q is-active NetworkManager", networkmanager.render, "0600",
        f"{networkmanager.FOLDER}/labwright-*.nmconnection",
        Traces(r"^address\d+=(\S+)", r"^mtu=\d"),
        "nmcli --wait 30 connection up labwright-{}",
        "nmcli device disconnect {0} >/dev/null 2>&1 || :; ip link set dev {0} down",
        "nmcli connection reload",
    ),
    "ifupdown": Manager(
        "{ [ -x /sbin/ifup ] || [ -x /usr/sbin/ifup ]; } && systemctl -q is-enabled networking",
        _ifupdown_files,
        "0644",
        IFUPDOWN,
        Traces(r"^ +up ip address replace (\S+) dev lo$", r"^ +pre-up ip link set dev (\S+) mtu \d"),
        "ifdown --force {0} >/dev/null 2>&1 || :; ip address flush dev {0} && ip link set dev {0} up && ifup {0}",
        "ifdown --force {0} >/dev/null 2>&1 || :; ip address flush dev {0} && ip link set dev {0} down",
    ),
    "networkd": Manager(
        "systemctl -q is-active systemd-networkd", networkd.render, "0644",
        f"{networkd.FOLDER}/0[56]-labwright-*.network",
        Traces(r"^Address=(\S+)", r"^MTUBytes=\d"),
        "networkctl reconfigure {}", "networkctl reconfigure {}", "networkctl reload",
    ),
}  # fmt: skip
"""In the order in which they are looked for: Debian's images for FRR run networkd too, for management alone."""


def apply(host: Host, node: Node, names: Sequence[str] | Mapping[int, str] | None, manager: str) -> tuple[str, ...]:
    """Make it so; what has changed, as places and names. Raises KitError."""
    which = manager or _manager(host)
    if which not in MANAGERS:
        raise KitError(f"{which!r} manages no interfaces", cause=Cause.CONFIG, hint=f"one of {', '.join(MANAGERS)}")
    what = named(node, which, names)
    asks = node.bgp or node.ospf or node.raw.get("frr")
    routes = named(node, "frr", names) if asks else None
    before = host.interfaces()
    _refuse_management(host, what, before)
    changed = ["hostname"] if node.hostname and host.hostname(node.hostname) else []
    old = read_files(host, MANAGERS[which].ours)
    gone = former(old, MANAGERS[which].traces) - former(MANAGERS[which].files(what), MANAGERS[which].traces)
    if which == "ifupdown":
        _refuse_rivals(host, list(what.ports.values()))
        _include(host)
    # Before the files are other ones: a run that is cut short finds them as they are, and does it again.
    changed += gone.left(before).take_away(host)
    touched = _interfaces(host, what, MANAGERS[which], before, old)
    what_for = f"the addresses of the model on {host.name}"
    host.wait_for(lambda: _settled(host, what, gone), ADDRESSES_SECONDS, 0.3, what_for)
    if touched:
        # networkd answers `reconfigure` before it begins, and then drops the addresses once more.
        time.sleep(STAYS)
        host.wait_for(lambda: _settled(host, what, gone), ADDRESSES_SECONDS, 0.3, what_for)
    changed += touched
    return (*dict.fromkeys(changed), *routing.apply(host, routes))


def _manager(host: Host) -> str:
    for name, manager in MANAGERS.items():
        if host.run(manager.runs, check=False).code == 0:
            return name
    raise KitError(
        f"nothing that we know manages the interfaces of {host.name}",
        details=[f"looked for {name}: `{manager.runs}`" for name, manager in MANAGERS.items()],
        hint="name one with manager=",
    )


def _refuse_management(host: Host, what: Named, interfaces: Mapping[str, Interface]) -> None:
    """The way by which we came is left alone, whatever it is called."""
    words = host.run('echo "${SSH_CONNECTION:-}"').output.split()
    came_by = words[2] if len(words) == 4 else ""
    for name in what.ports.values():
        here = interfaces.get(name) or next((each for each in interfaces.values() if name in each.altnames), None)
        if here is None:
            raise KitError(
                f"{host.name} has no interface {name}", cause=Cause.CONFIG,
                details=[f"it has {', '.join(sorted(interfaces))}"], hint="give the real names with names=",
            )  # fmt: skip
        ours = {address.partition("/")[0] for address in here.addresses}
        if MANAGEMENT & {name, here.name, *here.altnames} or came_by in ours:
            raise KitError(
                f"{name} is the management interface of {host.name}: it is never touched", cause=Cause.CONFIG,
                hint="index 1 is the first data interface, eth1",
            )  # fmt: skip


def _interfaces(
    host: Host, what: Named, manager: Manager, before: Mapping[str, Interface], old: Mapping[str, str]
) -> list[str]:
    files = manager.files(what)
    stale = _stale(what, old, files)
    for _, name in stale:
        if name and name not in MANAGEMENT | {"lo"}:
            host.sudo(["ip", "address", "flush", "dev", name, "scope", "global"])
    put = list(host.put([File(place, text, mode=manager.mode, folders=True) for place, text in
                         ((place, text.encode()) for place, text in files.items())])) if files else []  # fmt: skip
    for place, _ in stale:
        if place not in files:
            host.sudo(["rm", "-f", place])
        put.append(place)
    if put:
        host.sudo(manager.once)
    for port in what.node.ports:
        name = what.name(port)
        file_is_new = any(place in put for place in files if interface_of(place) == name)
        if file_is_new or not _as_wanted(before.get(name), [port]):
            host.sudo((manager.up if port.enabled else manager.down).format(name))
            put.append(name)
    if what.node.loopbacks and not _as_wanted(before.get("lo"), what.node.loopbacks, least=True):
        # Never by taking lo down: half of a machine's own services would lose their connections.
        for address in (each for port in what.node.loopbacks for each in port.addresses):
            host.sudo(["ip", "address", "replace", address, "dev", "lo"])
        put.append("lo")
    return list(dict.fromkeys(put))


def _stale(what: Named, old: Mapping[str, str], files: Mapping[str, str]) -> list[tuple[str, str]]:
    """Files of ours from an earlier model, and the interfaces that are no longer in it."""
    names = re.findall(r"^iface ([A-Za-z0-9._-]+) ", old.get(IFUPDOWN, ""), re.M)
    gone = sorted(set(names) - set(what.ports.values()) - {"lo"})
    one_each = [(place, interface_of(place)) for place in old if place != IFUPDOWN and place not in files]
    return [(IFUPDOWN, name) for name in gone] + one_each


def _refuse_rivals(host: Host, names: Sequence[str]) -> None:
    """ifup does what every file says of an interface: with another's addresses beside ours it is never as wanted."""
    if not names:
        return
    pattern = "|".join(map(re.escape, names))
    words = [f"^[[:space:]]*iface[[:space:]]+({pattern})[[:space:]]+inet6?[[:space:]]+(static|dhcp|auto)"]
    said = f"grep -lE {shlex.join(words)} /etc/network/interfaces /etc/network/interfaces.d/* 2>/dev/null || :"
    if others := [place for place in host.sudo(said).output.splitlines() if place != IFUPDOWN]:
        raise KitError(
            f"{others[0]} on {host.name} has an interface of the model too", cause=Cause.CONFIG,
            hint="have an interface in one of them: take it out of that file, or out of the model",
        )  # fmt: skip


def _include(host: Host) -> None:
    """The main file reads those of its folder; images that are made for one lesson may lack the line."""
    host.sudo(
        "grep -Eq '^[[:space:]]*source(-directory)?[[:space:]]+/etc/network/interfaces\\.d' /etc/network/interfaces"
        " || printf '\\nsource /etc/network/interfaces.d/*\\n' >>/etc/network/interfaces"
    )


def _settled(host: Host, what: Named, gone: Former) -> bool:
    now = host.interfaces()
    left = gone.left(now)
    wrong = [what.name(port) for port in what.node.ports if not _as_wanted(now.get(what.name(port)), [port])]
    if what.node.loopbacks and not _as_wanted(now.get("lo"), what.node.loopbacks, least=True):
        wrong.append("lo")
    wrong += [*(["lo"] if left.loopbacks else []), *sorted(left.mtus)]
    if wrong:
        raise KitError("not as wanted", details=[f"{name}: {now.get(name, 'is not there')}" for name in wrong])
    return True


def _as_wanted(now: Interface | None, ports: Sequence[Port], least: bool = False) -> bool:
    """Whether an interface has these addresses, and no others unless it may have more."""
    if now is None or now.up != ports[0].enabled:
        return False
    if not now.up:
        return True
    wanted = {each for port in ports for each in port.addresses}
    has = {each for each in now.addresses if not ip_interface(each).ip.is_link_local or each in wanted}
    mtu = ports[0].mtu
    return (wanted <= has if least else wanted == has) and (mtu is None or now.mtu == mtu)
