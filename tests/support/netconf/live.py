"""What tests of a real NETCONF server share: the server for one test, two configurations, and what others do to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from support.netconf import NetconfServer, netconf_server


def router(inside: str) -> str:
    return f'<config><router xmlns="urn:labwright:tests:lab">{inside}</router></config>'


FIRST = router("<hostname>r1</hostname><contact>night shift</contact>")
SECOND = router("<hostname>r2</hostname><interface><name>eth1</name><mtu>1400</mtu></interface>")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """ncclient looks ten times a second whether there is something to send: most of the time these tests would take."""
    monkeypatch.setattr("ncclient.transport.session.TICK", 0.01)


@pytest.fixture
def server() -> Iterator[NetconfServer]:
    """Whatever a test did, no session of it may be left on the server when it is over."""
    with netconf_server() as server:
        yield server
        eventually(lambda: server.sessions() == 0)


def eventually(what: Callable[[], bool]) -> None:
    """A server that was cut off needs a moment to notice."""
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def somebody_else(server: NetconfServer, configuration: str) -> None:
    """Another session changes the device."""
    with server.session() as session:
        session.edit_config(configuration, target="candidate")
        session.commit()


def lock_is_free(server: NetconfServer) -> bool:
    """A lock can be had, and nobody's changes stand in the candidate: the server gives none where some do."""
    with server.session() as session, session.locked("candidate"):
        return True
