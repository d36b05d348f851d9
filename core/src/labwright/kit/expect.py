"""Assertions for verify scripts: each prints one line, all are made, and the process ends with 1 if one has failed.

    from labwright.kit import expect, target

    with target() as host:
        expect.reaches(host, "10.0.0.2")
        expect.bgp_established(host, "10.10.10.2")

Nothing has to be called at the end.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from labwright.errors import Cause, LabwrightError
from labwright.host.text import plain
from labwright.kit.errors import KitError
from labwright.kit.host import Host
from labwright.kit.waits import wait_for

EXIT_CODE = 1


class Expectations:
    """What was expected, and how much of it was not so. say: gets each line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.failures: list[str] = []

    def judge(self, good: object, sentence: str, evidence: str = "") -> bool:
        """One expectation; whether it is met."""
        line = " ".join(plain(f"{sentence}: {evidence}" if evidence and not good else sentence).split())
        self._say(f"ok: {line}" if good else f"FAIL: {line}")
        if not good:
            self.failures.append(line)
        return bool(good)


def _print(line: str) -> None:
    print(line, flush=True)


_ours = Expectations(_print)
_process = os.getpid()


def that(condition: object, sentence: str, evidence: object = "") -> bool:
    """Something is true. sentence: what, in words. evidence: shown where it is not."""
    return _ours.judge(condition, sentence, str(evidence))


def equal(found: object, wanted: object, sentence: str = "") -> bool:
    """Two values are equal."""
    return _ours.judge(found == wanted, sentence or f"it is {wanted!r}", f"it is {found!r}, not {wanted!r}")


def eventually(condition: Callable[[], object], sentence: str, timeout: float = 30.0, every: float = 0.5) -> bool:
    """Something becomes true in time (seconds)."""
    return _eventually(_ours, condition, sentence, timeout, every)


def reaches(host: Host, address: str, timeout: float = 10.0) -> bool:
    """The machine gets an answer to a ping. address: one of IP, or an endpoint's name."""
    return _eventually(_ours, lambda: _ping(host, address), f"{host.name} reaches {address}", timeout)


def route(
    host: Host, prefix: str, *, via: str = "", device: str = "", protocol: str = "", timeout: float = 10.0
) -> bool:
    """The kernel of the machine has a route to exactly this prefix, where asked over this gateway or device, or from
    this protocol (bgp, ospf, static, kernel). Raises KitError (config) for what is no prefix or no gateway."""
    network, gateway = _network(prefix), _address(via, "via") if via else ""
    wanted = {"via": via, "dev": device, "proto": protocol}
    words = " ".join(f"{key} {value}" for key, value in wanted.items() if value)
    sentence = f"{host.name} has a route to {prefix}{f' {words}' if words else ''}"
    return _eventually(_ours, lambda: _route(host, network, gateway, device, protocol), sentence, timeout)


def bgp_established(host: Host, neighbor: str, timeout: float = 30.0) -> bool:
    """FRR on the machine has a BGP session with this neighbour. Raises KitError (config) for what is no address."""
    peer = _address(neighbor, "neighbor")
    return _eventually(_ours, lambda: _bgp(host, peer), f"{host.name} speaks BGP with {neighbor}", timeout)


@contextlib.contextmanager
def gathered(lines: list[str]) -> Iterator[Expectations]:
    """What is expected meanwhile goes to these lines, and not into the exit code of the process."""
    global _ours  # noqa: PLW0603 - a script's functions have no place to carry it
    before, _ours = _ours, Expectations(lines.append)
    try:
        yield _ours
    finally:
        _ours = before


def done() -> None:
    """End the process here with 1 if anything has failed. It need not be called. Raises SystemExit."""
    if _ours.failures:
        _ours.failures.clear()
        raise SystemExit(EXIT_CODE)


def _eventually(
    expectations: Expectations, condition: Callable[[], object], sentence: str, timeout: float, every: float = 0.5
) -> bool:
    try:
        wait_for(condition, timeout, every, sentence)
    except LabwrightError as error:
        if error.cause is Cause.CONFIG:
            # The script is wrong, not the machine.
            raise
        return expectations.judge(False, sentence, "; ".join(error.details) or error.what)
    return expectations.judge(True, sentence)


def _ping(host: Host, address: str) -> bool:
    answer = host.run(["ping", "-n", "-c", "1", "-W", "1", "--", address], check=False, timeout=10.0)
    if answer.code:
        raise KitError("no answer", details=(answer.errors or answer.output).splitlines()[-3:])
    return True


def _address(text: str, argument: str) -> str:
    """An address as the machine writes it: the kernel and FRR are asked by it, and their answers looked through."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise KitError(
            f"{argument}: {text!r} is not an address", cause=Cause.CONFIG, hint="such as 192.0.2.1 or 2001:db8::1"
        ) from None


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        hint = f"the network of it is {ip_network(text, strict=False)}"
    except ValueError:
        hint = "such as 192.0.2.0/24 or 2001:db8::/64"
    raise KitError(f"prefix: {text!r} is not a prefix", cause=Cause.CONFIG, hint=hint)


def _route(host: Host, network: IPv4Network | IPv6Network, via: str, device: str, protocol: str) -> bool:
    words = ["ip", f"-{network.version}", "-json", "route", "show", "exact", str(network)]
    found: list[dict[str, Any]] = json.loads(host.run(words).output or "[]")
    for each in found:
        hops = each.get("nexthops") or [each]
        gateways = {hop.get("gateway") or (hop.get("via") or {}).get("host") for hop in hops}
        if (
            (not via or via in gateways)
            and (not device or device in {hop.get("dev") for hop in hops})
            and (not protocol or each.get("protocol") == protocol)
        ):
            return True
    raise KitError("no such route", details=[f"it has {json.dumps(found)}" if found else "it has none"])


def _bgp(host: Host, neighbor: str) -> bool:
    found = host.frr(f"show bgp neighbors {neighbor}")
    about = found.get(neighbor) if isinstance(found, dict) else None
    if not isinstance(about, dict):
        raise KitError("no such neighbour", details=["FRR does not know that neighbour"])
    if about.get("bgpState") != "Established":
        raise KitError("not established", details=[f"the session is in the state {about.get('bgpState')}"])
    return True


@atexit.register
def _at_exit() -> None:
    """The exit code of a script whose author has forgotten to ask, however it ends.

    Nothing that runs at exit can change the code but os._exit, so what Python would still have done is done first. A
    child of fork() has its own end, and inherits our failures.
    """
    if not _ours.failures or os.getpid() != _process:
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(EXIT_CODE)
