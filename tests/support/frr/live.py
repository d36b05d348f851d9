"""Fixtures and helpers of the tests on live routers.

A test file takes the fixtures that it needs by assignment (`driver = live.driver`), and what they need; each file then
has a router of its own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest
from napalm.base.exceptions import CommitConfirmException

from napalm_frr import FRRDriver
from support.frr.routers import LEFT, Router, router, wait_for

CLONE_NEWUTS = 0x04000000
SECRET = "hunter2-in-the-rye"
ROUTE = "ip route 203.0.113.0/24 Null0\n"


@pytest.fixture(scope="module", autouse=True)
def own_hostname() -> None:
    """The host name that a candidate sets is that of this process and its children, not the machine's."""
    assert ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUTS) == 0


@pytest.fixture(scope="module")
def one(own_hostname: None) -> Iterator[Router]:
    with router() as made:
        made.execute("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth2")
        yield made


@pytest.fixture(scope="module")
def base(one: Router) -> str:
    """What each test begins with."""
    with connect(one) as driver:
        password = f" neighbor 192.0.2.2 password {SECRET}\n"
        driver.load_merge_candidate(
            config=LEFT.replace(" neighbor 192.0.2.9 remote", f"{password} neighbor 192.0.2.9 remote")
        )
        driver.commit_config()
        return driver.get_config()["running"]


def connect(one: Router, **more: object) -> FRRDriver:
    return FRRDriver("localhost", "", "", optional_args=one.optional_args | more)


@pytest.fixture
def driver(one: Router, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FRRDriver]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with connect(one) as made:
        if waits(made):
            made.rollback()
        if made.get_config()["running"] != base:
            made.load_replace_candidate(config=base)
            made.commit_config()
        yield made
    # A timer that has just reverted may still be tidying up.
    wait_for(lambda: not list(temporary.iterdir()))


def waits(driver: FRRDriver) -> bool:
    try:
        return driver.has_pending_commit()
    except CommitConfirmException:
        return True


def startup(one: Router) -> str:
    return (one.config / "frr.conf").read_text()


def timers(one: Router) -> list[int]:
    """The processes on the device that will revert something of this router."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes()
        except OSError:
            continue
        if b"napalm-frr-timer-" in words and str(one.sockets).encode() in words:
            found.append(int(file.parent.name))
    return found
