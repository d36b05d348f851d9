"""The driver on live FRR: commits take effect, converge, and notice what others do at the same time."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from napalm.base.exceptions import CommitError
from support.frr import live
from support.frr.live import ROUTE, SECRET, connect, startup
from support.frr.routers import Router, wait_for

from napalm_frr import FRRDriver

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")

own_hostname, one, base, driver = live.own_hostname, live.one, live.base, live.driver


def test_a_running_configuration_that_only_reads_differently_since_is_no_change(driver: FRRDriver) -> None:
    """As that of a router whose daemons still come up: seen on a slow machine."""
    driver.load_merge_candidate(config="ip route 192.0.2.0/24 blackhole\n")
    transaction = driver._transaction
    transaction.candidate = replace(transaction.candidate, running=f"!\n{transaction.candidate.running}!\n")
    driver.commit_config()
    assert "ip route 192.0.2.0/24 blackhole" in driver.get_config()["running"]
    driver.rollback()
    assert "192.0.2.0/24" not in driver.get_config()["running"]


# What never converges


def test_what_was_read_can_be_loaded_with_all_its_frills_and_differs_in_nothing(driver: FRRDriver, one: Router) -> None:
    frills = f"Building configuration...\n\nCurrent configuration:\n!\n# a comment\n{one.running()}"
    driver.load_replace_candidate(config=frills.replace("\n", "\r\n"))
    assert driver.compare_config() == ""
    driver.load_replace_candidate(config=re.sub(r"(?m)^(frr version|hostname|service integrated).*\n", "", frills))
    assert driver.compare_config() == ""


def test_the_version_that_wrote_a_candidate_is_no_difference(driver: FRRDriver, base: str) -> None:
    driver.load_replace_candidate(config=base.replace("frr version ", "frr version 9."))
    assert driver.compare_config() == ""
    driver.commit_config()


def test_explicit_forwarding_is_not_missing_for_ever(driver: FRRDriver, one: Router, base: str) -> None:
    driver.load_replace_candidate(
        config=re.sub(r"(?m)^no (ip|ipv6) forwarding\n", "", base) + "ip forwarding\nipv6 forwarding\n"
    )
    assert "forwarding" in driver.compare_config()
    driver.commit_config()
    driver.load_replace_candidate(config=driver.get_config()["running"] + "ip forwarding\nipv6 forwarding\n")
    assert driver.compare_config() == ""
    assert one.execute("cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"


@pytest.mark.parametrize("merge", [False, True], ids=["replace", "merge"])
def test_a_host_name_converges_and_comes_back(
    one: Router, base: str, driver: FRRDriver, tmp_path: Path, merge: bool
) -> None:
    kept = tmp_path / "hostname"
    old = os.uname().nodename
    text = "hostname r1.lab\n" if merge else re.sub(r"(?m)^hostname .*$", "hostname r1.lab", base)
    with connect(one, hostname_file=str(kept)) as mine:
        (mine.load_merge_candidate if merge else mine.load_replace_candidate)(config=text)
        assert "hostname r1.lab" in mine.compare_config()
        mine.commit_config()
        assert (mine.get_facts()["hostname"], kept.read_text()) == ("r1.lab", "r1.lab\n")
        (mine.load_merge_candidate if merge else mine.load_replace_candidate)(config=text)
        assert mine.compare_config() == ""
        mine.rollback()
        assert os.uname().nodename == old


def test_a_host_name_that_was_not_confirmed_comes_back(driver: FRRDriver) -> None:
    old = os.uname().nodename
    driver.load_merge_candidate(config="hostname r2\n")
    driver.commit_config(revert_in=8)
    assert os.uname().nodename == "r2"
    wait_for(lambda: os.uname().nodename == old, 60)


def test_a_candidate_that_is_not_indented_is_committed_and_verified(driver: FRRDriver, base: str) -> None:
    driver.load_replace_candidate(config=re.sub(r"(?m)^ +", "", base).replace("the right one", "flat"))
    driver.commit_config()
    assert "description flat" in driver.get_config()["running"]


def test_abbreviations_that_frr_takes_are_taken(driver: FRRDriver) -> None:
    driver.load_merge_candidate(config="rout bg 65001\n neigh 192.0.2.2 desc short\nexit\nint eth1\n desc x\nexit\n")
    driver.commit_config()
    running = driver.get_config()["running"]
    assert " neighbor 192.0.2.2 description short\n" in running
    assert " description x\n" in running


def test_end_in_the_middle_of_a_merge_does_not_swallow_the_rest(driver: FRRDriver) -> None:
    driver.load_merge_candidate(config=f"interface eth1\n description x\nend\n{ROUTE}end\n")
    driver.commit_config()
    assert ROUTE in driver.get_config()["running"]


def test_a_merge_takes_away_with_no(driver: FRRDriver) -> None:
    driver.load_merge_candidate(config="router bgp 65001\n no neighbor 192.0.2.9\nexit\n")
    assert "no neighbor 192.0.2.9" in driver.compare_config()
    driver.commit_config()
    assert "192.0.2.9" not in driver.get_config()["running"]
    driver.load_merge_candidate(config="interface eth1\n no description\nexit\n")
    assert driver.compare_config() == ""


def test_compare_shows_and_changes_nothing(driver: FRRDriver, one: Router) -> None:
    before = one.running()
    driver.load_merge_candidate(config=ROUTE)
    assert driver.compare_config() == f"Lines To Add\n============\n{ROUTE.strip()}"
    assert driver.get_config()["candidate"] == ROUTE
    driver.discard_config()
    assert driver.compare_config() == driver.get_config()["candidate"] == ""
    assert one.running() == before


def test_a_commit_is_what_the_next_boot_gets_too(driver: FRRDriver, one: Router) -> None:
    driver.load_merge_candidate(config=ROUTE)
    driver.commit_config()
    assert ROUTE in startup(one)
    assert ROUTE in driver.get_config()["startup"]


def test_a_message_has_no_place(driver: FRRDriver) -> None:
    driver.load_merge_candidate(config=ROUTE)
    with pytest.raises(NotImplementedError):
        driver.commit_config(message="because")


def test_a_template_is_loaded_as_a_merge(driver: FRRDriver) -> None:
    driver.load_template("route", template_source="ip route {{ prefix }} Null0", prefix="198.51.100.0/24")
    assert "198.51.100.0/24" in driver.compare_config()


# Others at the same time


def test_a_change_by_somebody_else_since_the_load_is_noticed(driver: FRRDriver, one: Router) -> None:
    driver.load_replace_candidate(config=driver.get_config()["running"] + ROUTE)
    one.vtysh(
        "configure", "ip route 198.51.100.0/24 Null0", "router bgp 65001", f"neighbor 192.0.2.9 password {SECRET}"
    )
    with pytest.raises(CommitError, match=r"(?s)\+ip route 198.51.100.0/24.*compare_config") as caught:
        driver.commit_config()
    assert SECRET not in str(caught.value)
    assert ROUTE not in one.running()
    # Whoever has looked at it may go on.
    assert "no ip route 198.51.100.0/24" in driver.compare_config()
    driver.commit_config()
    assert ROUTE in one.running()


def test_two_sessions_do_not_overwrite_each_other(driver: FRRDriver, one: Router) -> None:
    with connect(one) as other:
        for number, session in enumerate((driver, other)):
            session.load_merge_candidate(config=f"ip route 198.51.100.{number}/32 Null0\n")
        failures: list[BaseException] = []

        def commit(session: FRRDriver) -> None:
            try:
                session.commit_config()
            except CommitError as error:
                failures.append(error)

        threads = [threading.Thread(target=commit, args=(session,)) for session in (driver, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(failures) == 1
    assert one.running().count("198.51.100.") == 1
