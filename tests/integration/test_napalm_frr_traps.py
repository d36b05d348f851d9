"""The driver on live FRR: what frr-reload.py and vtysh do with faulty candidates harms nobody."""

from __future__ import annotations

import os

import pytest
from napalm.base.exceptions import CommitError, MergeConfigException, ReplaceConfigException
from support.frr import live
from support.frr.live import ROUTE, startup, timers
from support.frr.routers import Router, wait_for

from napalm_frr import FRRDriver

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")

own_hostname, one, base, driver = live.own_hostname, live.one, live.base, live.driver


def test_a_typo_does_not_become_a_difference_that_deletes_everything(driver: FRRDriver, one: Router, base: str) -> None:
    before = one.running()
    with pytest.raises(ReplaceConfigException, match=r"(?s)nothing was changed.*line \d+.*neighbour.*What to do"):
        driver.load_replace_candidate(config=base + "router bgp 65001\n neighbour 192.0.2.6 remote-as 65003\nexit\n")
    assert driver.compare_config() == ""
    with pytest.raises(CommitError, match="no candidate"):
        driver.commit_config()
    assert one.running() == before


def test_a_typo_in_a_merge_does_not_apply_the_other_lines(driver: FRRDriver, one: Router) -> None:
    before = one.running()
    with pytest.raises(MergeConfigException, match="line 2"):
        driver.load_merge_candidate(config=f"{ROUTE}ip rute 198.51.100.0/24 Null0\n")
    assert one.running() == before


PEER_GROUP = "router bgp 65001\n neighbor 192.0.2.77 peer-group nosuch\nexit\n"


@pytest.mark.parametrize("merge", [False, True], ids=["replace", "merge"])
def test_a_semantic_error_that_is_half_applied_is_put_back(
    driver: FRRDriver, one: Router, base: str, merge: bool
) -> None:
    before, saved = one.running(), startup(one)
    load, refusal = (
        (driver.load_merge_candidate, MergeConfigException)
        if merge
        else (driver.load_replace_candidate, ReplaceConfigException)
    )
    load(config=("" if merge else base) + f"interface eth1\n description half\nexit\n{ROUTE}{PEER_GROUP}")
    with pytest.raises(refusal, match=r"(?s)as it was before.*peer-group"):
        driver.commit_config()
    assert one.running() == before
    assert startup(one) == saved


def test_a_semantic_error_under_a_timer_leaves_no_timer(driver: FRRDriver, one: Router) -> None:
    driver.load_merge_candidate(config=ROUTE + PEER_GROUP)
    with pytest.raises(MergeConfigException):
        driver.commit_config(revert_in=600)
    assert not driver.has_pending_commit()
    wait_for(lambda: timers(one) == [])


OSPF = "router ospf\n network 10.0.0.0/8 area 0\nexit\n"


def test_lines_for_a_daemon_that_does_not_run_are_refused_and_not_dropped(
    driver: FRRDriver, one: Router, base: str
) -> None:
    before = one.running()
    with pytest.raises(ReplaceConfigException, match=r"(?s)ospfd.*router ospf.*ospfd=yes in /etc/frr/daemons"):
        driver.load_replace_candidate(config=base + OSPF)
    with pytest.raises(MergeConfigException, match="ospfd"):
        driver.load_merge_candidate(config="interface eth1\n ip ospf cost 7\nexit\n")
    assert one.running() == before


@pytest.mark.parametrize("merge", [False, True], ids=["replace", "merge"])
def test_a_daemon_that_dies_between_load_and_commit_is_noticed(
    driver: FRRDriver, one: Router, base: str, merge: bool
) -> None:
    before = one.running()
    one.start("ospfd")
    try:
        (driver.load_merge_candidate if merge else driver.load_replace_candidate)(
            config=("" if merge else base) + ROUTE + OSPF
        )
    finally:
        one.stop("ospfd")
    with pytest.raises((MergeConfigException, ReplaceConfigException), match=r"(?s)ospfd.*as it was before"):
        driver.commit_config()
    assert one.running() == before


def test_a_candidate_for_a_daemon_that_runs_is_committed(driver: FRRDriver, one: Router, base: str) -> None:
    one.start("ospfd")
    try:
        driver.load_merge_candidate(config=OSPF + "interface eth1\n ip ospf cost 7\nexit\n")
        driver.commit_config()
        assert " ip ospf cost 7\n" in driver.get_config()["running"]
        driver.rollback()
        assert "ospf" not in driver.get_config()["running"]
    finally:
        one.stop("ospfd")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no configuration"),
        ("! nothing\nend\n", "no configuration"),
        ("hostname a\x1b[2Jb\n", "control character"),
        ("hostname a\x00b\n", "control character"),
        ("hostname $(reboot)\n", "not a host name"),
        ("hostname \ud800\n", "line 1 is not UTF-8"),
    ],
)
def test_what_is_no_configuration_is_refused_before_it_deletes_one(driver: FRRDriver, text: str, reason: str) -> None:
    with pytest.raises(ReplaceConfigException, match=reason):
        driver.load_replace_candidate(config=text)


def test_a_file_that_is_not_there_is_a_refusal_and_not_a_traceback(driver: FRRDriver) -> None:
    with pytest.raises(MergeConfigException, match="/nonexistent"):
        driver.load_merge_candidate(filename="/nonexistent")
