"""The driver over SSH: a real sshd inside a router, logins of temporary users, connections that die."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from napalm.base.exceptions import (
    CommandTimeoutException,
    CommitError,
    ConnectAuthError,
    ConnectionClosedException,
    ConnectionException,
)
from support.frr import sshd
from support.frr.live import timers
from support.frr.routers import Router, router, wait_for
from support.frr.sshd import Server

from napalm_frr import FRRDriver, transport

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")

ROUTE = "ip route 203.0.113.0/24 Null0\n"
EARLIER = "ip route 198.51.100.0/24 Null0\n"


@pytest.fixture(scope="module")
def one() -> Iterator[Router]:
    with router() as made:
        # What watchfrr does for FRR's groups on a device: their users can save.
        made.config.chmod(0o775)
        yield made


@pytest.fixture(scope="module")
def server(one: Router) -> Iterator[Server]:
    with sshd.server(one) as made:
        yield made


def connect(one: Router, server: Server, password: str | None = None, timeout: int = 20, **more: object) -> FRRDriver:
    options = {"port": server.port, **one.paths} | more
    made = FRRDriver(server.host, server.username, server.password if password is None else password, timeout, options)
    made.open()
    return made


def test_a_password_lets_in(one: Router, server: Server) -> None:
    with connect(one, server) as driver:
        assert driver.is_alive() == {"is_alive": True}
        assert driver.get_facts()["vendor"] == "FRRouting"
    assert driver.is_alive() == {"is_alive": False}


def test_a_key_lets_in(one: Router, server: Server) -> None:
    with connect(one, server, password="", key_file=str(server.key)) as driver:
        assert "lo" in driver.get_interfaces()


def test_a_wrong_password_is_an_error_of_its_own_and_is_not_repeated_in_it(one: Router, server: Server) -> None:
    with pytest.raises(ConnectAuthError, match=server.username) as caught:
        connect(one, server, password="wrong-and-secret")
    assert "wrong-and-secret" not in str(caught.value)


def test_a_host_that_does_not_listen_is_an_error_with_its_name(one: Router) -> None:
    with pytest.raises(ConnectionException, match=r"127\.0\.0\.1:1\b"):
        FRRDriver("127.0.0.1", "x", "y", 5, {"port": 1}).open()


def test_a_strict_driver_refuses_a_host_key_that_it_does_not_know(one: Router, server: Server, tmp_path: Path) -> None:
    with pytest.raises(ConnectionException, match="not found in known_hosts"):
        (tmp_path / "empty").touch()
        connect(one, server, ssh_strict=True, known_hosts=str(tmp_path / "empty"))
    with pytest.raises(ConnectionException, match="cannot be read"):
        connect(one, server, ssh_strict=True, known_hosts=str(tmp_path / "absent"))
    connect(one, server, ssh_strict=True, known_hosts=str(server.known_hosts)).close()


def test_a_host_key_that_has_changed_is_refused(one: Router, server: Server, tmp_path: Path) -> None:
    other = tmp_path / "known_hosts"
    key = server.key.with_suffix(".pub").read_text()
    other.write_text(f"[{server.host}]:{server.port} {key}")
    with pytest.raises(ConnectionException, match="another host key"):
        connect(one, server, ssh_strict=True, known_hosts=str(other))


def test_a_commit_reverts_itself_after_the_connection_has_died(one: Router, server: Server) -> None:
    before = one.running()
    driver = connect(one, server)
    driver.load_merge_candidate(config=ROUTE)
    started = time.monotonic()
    driver.commit_config(revert_in=20)
    server.cut()
    wait_for(lambda: not driver.is_alive()["is_alive"])
    with pytest.raises(ConnectionClosedException):
        driver.get_facts()
    assert ROUTE in one.running()
    with connect(one, server) as other:
        assert other.has_pending_commit()
        wait_for(lambda: not other.has_pending_commit(), 60)
    assert time.monotonic() - started > 20
    assert one.running() == before
    driver.close()


def test_a_new_connection_confirms_what_a_dead_one_has_committed(one: Router, server: Server) -> None:
    driver = connect(one, server)
    driver.load_merge_candidate(config=ROUTE)
    driver.commit_config(revert_in=600)
    server.cut()
    driver.close()
    with connect(one, server) as other:
        other.confirm_commit()
        wait_for(lambda: timers(one) == [])
        assert ROUTE in one.running()
        assert ROUTE in (one.config / "frr.conf").read_text()
        other.load_merge_candidate(config=f"no {ROUTE}")
        other.commit_config()


def test_a_dead_connection_leaves_no_temporary_file(one: Router, server: Server) -> None:
    driver = connect(one, server)
    driver.load_merge_candidate(config=ROUTE)
    driver.compare_config()
    server.cut()
    driver.close()
    assert files_of(server.username) == []


def files_of(user: str) -> list[Path]:
    found = []
    for file in Path("/tmp").glob("napalm-frr.*"):
        # Those of tests that run at the same time go while we look.
        with contextlib.suppress(OSError):
            if file.owner() == user:
                found.append(file)
    return found


def test_a_commit_is_finished_though_the_connection_dies_in_its_middle_and_can_be_rolled_back(
    one: Router, server: Server
) -> None:
    begun, wrapper = one.folder / "begun", one.folder / "slow-reload"
    wrapper.write_text(f'#!/bin/sh\n: >{begun}\nsleep 1\nexec /usr/lib/frr/frr-reload.py "$@"\n')
    wrapper.chmod(0o755)
    one.folder.chmod(0o777)
    driver = connect(one, server, frr_reload=str(wrapper))
    base = driver.get_config()["running"]
    driver.load_merge_candidate(config=EARLIER)
    driver.commit_config()
    driver.load_replace_candidate(config=base + EARLIER + ROUTE)
    failures: list[BaseException] = []

    def commit() -> None:
        try:
            driver.commit_config()
        except ConnectionClosedException as error:
            failures.append(error)

    thread = threading.Thread(target=commit)
    thread.start()
    wait_for(begun.exists)
    server.cut()
    thread.join(20)
    assert len(failures) == 1
    wait_for(lambda: ROUTE in (one.config / "frr.conf").read_text())
    assert ROUTE in one.running()
    driver.close()
    with driver:
        driver.rollback()
        assert (EARLIER in one.running(), ROUTE in one.running()) == (True, False)
        driver.load_replace_candidate(config=base)
        driver.commit_config()


def test_a_large_candidate_goes_through(one: Router, server: Server) -> None:
    text = "".join(f"ip prefix-list P seq {n * 5} permit 10.{n // 256}.{n % 256}.0/24\n" for n in range(1, 20000))
    with connect(one, server) as driver:
        driver.load_merge_candidate(config=text)
        assert driver.get_config(retrieve="candidate")["candidate"] == text


def test_a_device_that_never_stops_printing_is_cut_off(
    one: Router, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MOST_BYTES", 1_000_000)
    with connect(one, server) as driver:
        with pytest.raises(ConnectionException, match="more than"):
            driver._device.execute(["cat", "/dev/zero"])
        assert driver.is_alive()["is_alive"]


@pytest.mark.parametrize("words", [("sleep", "67"), ("sh", "-c", "while echo 7; do sleep 0.001; done")])
def test_a_command_that_never_ends_costs_the_timeout_and_no_more(one: Router, server: Server, words) -> None:
    with connect(one, server) as driver:
        started = time.monotonic()
        with pytest.raises(CommandTimeoutException, match=r"7"):
            driver._device.execute(list(words), timeout=1)
        assert time.monotonic() - started < 20


def test_a_user_without_frrs_groups_is_told_of_them(one: Router) -> None:
    with sshd.server(one, groups="") as server, pytest.raises(ConnectionException, match=r"(?s)frrvty.*sudo"):
        connect(one, server)


def test_a_commit_that_cannot_be_saved_says_that_it_runs_and_is_not_saved(one: Router, server: Server) -> None:
    one.config.chmod(0o755)
    shutil.chown(one.config / "frr.conf", "frr", "frr")
    try:
        with connect(one, server) as driver:
            driver.load_merge_candidate(config=ROUTE)
            with pytest.raises(CommitError, match=r"(?s)NOT saved.*Permission denied.*watchfrr"):
                driver.commit_config()
            assert ROUTE in one.running()
            with pytest.raises(CommitError, match="Rolled back, but NOT saved"):
                driver.rollback()
            assert ROUTE not in one.running()
    finally:
        one.config.chmod(0o775)


def test_a_host_name_without_root_is_refused_before_anything_changes(one: Router, server: Server) -> None:
    before = one.running()
    with connect(one, server) as driver:
        driver.load_merge_candidate(config=f"hostname other\n{ROUTE}")
        with pytest.raises(CommitError, match=r"(?s)host name other, which needs root.*sudo"):
            driver.commit_config()
    assert one.running() == before
