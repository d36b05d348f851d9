"""FRR on a machine, where the model asks for it: its file, its daemons, and a look at whether they took all of it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from labwright.kit.errors import KitError, last_lines
from labwright.kit.model import Node
from labwright.kit.rendering import frr
from labwright.kit.rendering.named import Named

if TYPE_CHECKING:
    from labwright.kit.host import Host

FRR_FILE, FRR_MARK = "/etc/frr/frr.conf", "! by labwright"
"""The mark is for a later stage, whose model may have no routing: what we made goes, what somebody else did stays."""
START_SECONDS, CONFIGURATION_SECONDS, LOOK = 120.0, 60.0, 0.5
STARTING = re.compile(r"\brunning, pid \d+")
"""`show watchfrr` has it in a line of its own while watchfrr starts daemons and has them read their configuration."""
UNSEEN = re.compile(r"\s*(!.*|exit|exit-address-family|end|no .*|)")
"""Lines that a running configuration need not have: what ends a section, comments, and what is off by default."""


def apply(host: Host, what: Named | None) -> tuple[str, ...]:
    """Have FRR route as the model says, or as if there were none; the file, where it has changed. Raises KitError."""
    if what is None and host.sudo(["head", "-n", "1", FRR_FILE], check=False).output.strip() != FRR_MARK:
        return ()
    what = what or Named(Node(), {}, "", "")
    daemons = [name for name, asked in (("bgpd", what.node.bgp), ("ospfd", what.node.ospf)) if asked]
    answer = host.root_script("frr", *daemons, stdin=f"{FRR_MARK}\n{frr.routing(what)}".encode())
    changed = answer.output.strip().endswith("changed")
    if changed:
        host.service("frr").restart()
    _until_taken(host, sections(frr.routing(replace(what, raw=""))), sections(what.raw))
    return (FRR_FILE,) if changed else ()


def sections(text: str) -> tuple[tuple[str, ...], ...]:
    """Lines of a FRR configuration, each below those that it is indented under: ("router bgp 1", "network ...").

    One that ends a section, a comment, and a line that begins with `no` have no place among them.
    """
    found: dict[tuple[str, ...], None] = {}
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        if UNSEEN.fullmatch(line):
            continue
        depth = len(line) - len(line.lstrip())
        above = [(at, name) for at, name in above if at < depth]
        above.append((depth, line.strip()))
        found[tuple(name for _, name in above)] = None
    return tuple(found)


def _until_taken(host: Host, wanted: tuple[tuple[str, ...], ...], raw: tuple[tuple[str, ...], ...]) -> None:
    """Wait until FRR runs with all that is wanted; where its own start left some of it out, have it read all again.

    watchfrr ends the script that starts the daemons after 20 s, wherever that is, and starts those anew that do not
    answer within 5 s: on a slow machine they have half of their file then, or nothing, and nobody reads the rest.
    raw: the author's own lines. FRR may write those in another way, so that no more is asked for them than a try.
    """
    host.wait_for(lambda: _has_started(host), START_SECONDS, LOOK, f"FRR's start on {host.name}")
    if set(wanted + raw) <= set(_running(host)):
        return
    said = host.sudo(["vtysh", "-b"], timeout=CONFIGURATION_SECONDS, check=False)

    def took() -> bool:
        running = _running(host)
        if missing := [" / ".join(path) for path in wanted if path not in running]:
            raise KitError("FRR does not have it", details=[*missing, *last_lines(said.output, said.errors)])
        return True

    host.wait_for(took, CONFIGURATION_SECONDS, LOOK, f"FRR's configuration on {host.name}")


def _has_started(host: Host) -> bool:
    # Where no watchfrr runs the command fails, and nobody starts anything.
    answer = host.sudo(["vtysh", "-c", "show watchfrr"], check=False)
    if STARTING.search(answer.output):
        raise KitError("it starts its daemons", details=last_lines(answer.output))
    return True


def _running(host: Host) -> tuple[tuple[str, ...], ...]:
    return sections(host.sudo(["vtysh", "-c", "show running-config"]).output)
