"""The driver on live FRR: several users and sessions, what one sees of another's commits and may do about them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest
from napalm.base.exceptions import CommitConfirmException, CommitError, ConnectionException
from support.frr import live, sshd
from support.frr.live import ROUTE, connect, startup, timers
from support.frr.routers import Router, wait_for
from support.frr.sshd import Server

from napalm_frr import FRRDriver

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")

own_hostname, one, base, driver = live.own_hostname, live.one, live.base, live.driver

OTHER = "ip route 198.51.100.0/24 Null0\n"


def by_ssh(one: Router, server: Server) -> FRRDriver:
    made = FRRDriver(server.host, server.username, server.password, 20, {"port": server.port, **one.paths})
    made.open()
    return made


@pytest.fixture(scope="module")
def server(one: Router) -> Iterator[Server]:
    one.config.chmod(0o775)
    with sshd.server(one) as made:
        yield made


def test_what_one_user_leaves_to_be_confirmed_every_user_sees_and_nobody_else_decides(
    driver: FRRDriver, one: Router, server: Server
) -> None:
    saved = startup(one)
    with by_ssh(one, server) as user:
        for mine, other, name in ((driver, user, "root"), (user, driver, server.username)):
            mine.load_merge_candidate(config=ROUTE)
            mine.commit_config(revert_in=600)
            assert other.has_pending_commit()
            other.load_merge_candidate(config=OTHER)
            for refused in (other.commit_config, other.rollback):
                with pytest.raises(CommitError, match=f"device's user {name} waits"):
                    refused()
            with pytest.raises(CommitConfirmException, match=f"device's user {name} waits"):
                other.confirm_commit()
            assert (ROUTE in one.running(), OTHER in one.running(), startup(one)) == (True, False, saved)
            mine.rollback()
            assert not other.has_pending_commit()
            assert ROUTE not in one.running()


def test_two_users_have_one_lock(driver: FRRDriver, one: Router, server: Server) -> None:
    with by_ssh(one, server) as user:
        user.load_merge_candidate(config=OTHER)
        user._device.limit = 1
        folder = os.open(one.sockets, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            with pytest.raises(ConnectionException, match="lock all the time"):
                user.commit_config()
        finally:
            os.close(folder)
    assert OTHER not in one.running()


def test_a_startup_configuration_that_cannot_be_read_does_not_look_empty(one: Router, base: str) -> None:
    one.config.chmod(0o750)
    try:
        with sshd.server(one, groups="frrvty") as server, by_ssh(one, server) as user:
            assert ROUTE not in user.get_config(retrieve="running")["running"]
            with pytest.raises(ConnectionException, match=r"(?s)may not read.*group frr"):
                user.get_config(retrieve="startup")
            one.config.chmod(0o755)
            with pytest.raises(ConnectionException, match=r"(?s)may not read.*group frr"):
                user.get_config(retrieve="startup")
    finally:
        one.config.chmod(0o775)


def test_a_session_that_has_something_to_roll_back_does_not_revert_what_waits_of_another(
    driver: FRRDriver, one: Router
) -> None:
    driver.load_merge_candidate(config=OTHER)
    driver.commit_config()
    with connect(one) as other:
        other.load_merge_candidate(config=ROUTE)
        other.commit_config(revert_in=600)
        with pytest.raises(CommitError, match="Another session's commit waits"):
            driver.rollback()
        assert (OTHER in one.running(), ROUTE in one.running()) == (True, True)
        wait_for(lambda: len(timers(one)) == 1)
        other.rollback()
    driver.rollback()
    assert OTHER not in one.running()


def test_a_session_whose_commit_was_reverted_does_not_confirm_another(driver: FRRDriver, one: Router) -> None:
    driver.load_merge_candidate(config=OTHER)
    driver.commit_config(revert_in=1)
    wait_for(lambda: not driver.has_pending_commit())
    with connect(one) as other:
        other.load_merge_candidate(config=ROUTE)
        other.commit_config(revert_in=600)
        with pytest.raises(CommitConfirmException, match="another session's"):
            driver.confirm_commit()
        assert ROUTE not in startup(one)
        other.rollback()
