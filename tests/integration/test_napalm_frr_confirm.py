"""The driver on live FRR: commits that wait for their confirmation, and what brings the old state back."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from napalm.base.exceptions import CommitConfirmException, CommitError
from support.frr import live
from support.frr.live import ROUTE, SECRET, connect, startup, timers
from support.frr.routers import Router, wait_for

from napalm_frr import FRRDriver

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")

own_hostname, one, base, driver = live.own_hostname, live.one, live.base, live.driver


def test_a_commit_that_nobody_confirms_goes_back_by_itself(driver: FRRDriver, one: Router) -> None:
    before, saved = one.running(), startup(one)
    driver.load_merge_candidate(config=ROUTE)
    driver.commit_config(revert_in=8)
    assert driver.has_pending_commit()
    assert ROUTE in one.running()
    # frr-reload.py writes by itself, which would make it the configuration of the next boot.
    assert startup(one) == saved
    wait_for(lambda: not driver.has_pending_commit(), 60)
    assert (one.running(), startup(one)) == (before, saved)
    with pytest.raises(CommitConfirmException, match="No commit waits"):
        driver.confirm_commit()
    wait_for(lambda: timers(one) == [])


def test_an_unconfirmed_replacement_is_not_saved_either(driver: FRRDriver, one: Router, base: str) -> None:
    saved = startup(one)
    driver.load_replace_candidate(config=base + ROUTE)
    driver.commit_config(revert_in=600)
    assert startup(one) == saved
    driver.rollback()
    assert (one.running(), startup(one)) == (one.running().replace(ROUTE, ""), saved)
    wait_for(lambda: timers(one) == [])


def test_a_confirmed_commit_stays_and_its_timer_is_gone(driver: FRRDriver, one: Router) -> None:
    driver.load_merge_candidate(config=ROUTE)
    driver.commit_config(revert_in=600)
    # Each `$(...)` of one that has just begun looks like another.
    wait_for(lambda: len(timers(one)) == 1)
    driver.confirm_commit()
    assert not driver.has_pending_commit()
    wait_for(lambda: timers(one) == [])
    assert ROUTE in one.running()
    assert ROUTE in startup(one)


def test_a_second_commit_waits_for_the_first_to_be_confirmed(driver: FRRDriver, one: Router) -> None:
    driver.load_merge_candidate(config=ROUTE)
    driver.commit_config(revert_in=600)
    driver.load_merge_candidate(config="ip route 198.51.100.0/24 Null0\n")
    with pytest.raises(CommitError, match=r"(?s)waits for its confirmation.*rollback"):
        driver.commit_config()
    assert "198.51.100" not in one.running()
    driver.rollback()


@pytest.mark.parametrize("keep", [True, False], ids=["confirm", "rollback"])
def test_another_session_sees_what_waits_and_decides(driver: FRRDriver, one: Router, keep: bool) -> None:
    driver.load_merge_candidate(config=ROUTE)
    driver.commit_config(revert_in=600)
    driver.close()
    with connect(one) as other:
        assert other.has_pending_commit()
        (other.confirm_commit if keep else other.rollback)()
        assert not other.has_pending_commit()
    assert (ROUTE in one.running()) is keep
    wait_for(lambda: timers(one) == [])


@pytest.mark.parametrize("delay", [0.9, 1.0, 1.05])
def test_a_confirmation_at_the_last_moment_wins_or_loses_but_never_both(
    driver: FRRDriver, one: Router, delay: float
) -> None:
    driver.load_merge_candidate(config=ROUTE)
    started = time.monotonic()
    driver.commit_config(revert_in=1)
    time.sleep(max(0.0, started + delay - time.monotonic()))
    try:
        driver.confirm_commit()
        confirmed = True
    except CommitConfirmException:
        confirmed = False
    wait_for(lambda: timers(one) == [])
    assert (ROUTE in one.running(), ROUTE in startup(one)) == (confirmed, confirmed)


def test_a_revert_that_failed_is_not_silent_and_can_be_tried_again(
    one: Router, driver: FRRDriver, tmp_path: Path
) -> None:
    wrapper = tmp_path / "frr-reload.py"
    wrapper.write_text('#!/bin/sh\nexec /usr/lib/frr/frr-reload.py "$@"\n')
    wrapper.chmod(0o755)
    with connect(one, frr_reload=str(wrapper)) as mine:
        mine.load_merge_candidate(config=ROUTE)
        good = wrapper.read_text()
        # A merge does without it, and on a slow machine the timer is there as soon as the commit is over.
        wrapper.write_text(f"#!/bin/sh\necho no luck, password {SECRET}; exit 1\n")
        mine.commit_config(revert_in=1)
        wait_for(lambda: timers(one) == [])
        with pytest.raises(CommitConfirmException, match=r"(?s)failed to revert.*no luck.*rollback") as caught:
            mine.has_pending_commit()
        assert SECRET not in str(caught.value)
        wrapper.write_text(good)
        mine.rollback()
        assert not mine.has_pending_commit()
    assert ROUTE not in one.running()


def test_a_reboot_reverts_by_itself_so_what_waited_before_it_is_forgotten(driver: FRRDriver, one: Router) -> None:
    driver.load_merge_candidate(config=ROUTE)
    driver.commit_config(revert_in=600)
    (one.state / "pending/boot").write_text("another boot\n")
    wait_for(lambda: len(timers(one)) == 1)
    (timer,) = timers(one)
    assert not driver.has_pending_commit()
    # Who only looks has no lock, and what he would delete might be another commit by now.
    assert (one.state / "pending/token").exists()
    driver.load_merge_candidate(config="ip route 198.51.100.0/24 Null0\n")
    driver.commit_config(revert_in=600)
    assert driver.has_pending_commit()
    driver.rollback()
    wait_for(lambda: timers(one) == [timer])
    os.killpg(timer, signal.SIGTERM)
    wait_for(lambda: timers(one) == [])


def test_a_rollback_brings_back_what_ran_and_saves_it(driver: FRRDriver, one: Router) -> None:
    before = one.running()
    driver.load_merge_candidate(config=ROUTE)
    driver.commit_config()
    driver.rollback()
    assert one.running() == before
    assert ROUTE not in startup(one)
    with pytest.raises(CommitError, match="nothing to roll back"):
        driver.rollback()
