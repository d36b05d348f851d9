"""The driver on live FRR: every trap that FRR sets to who changes its configuration."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import napalm
import pytest
from napalm.base.exceptions import (
    CommandErrorException,
    CommandTimeoutException,
    CommitConfirmException,
    CommitError,
    ConnectionClosedException,
    ConnectionException,
    MergeConfigException,
    ReplaceConfigException,
)
from support.frr.routers import LEFT, Router, bgp_pair, router, wait_for

from napalm_frr import FRRDriver, transport

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")

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
        if (one.state / "pending").exists():
            made.rollback()
        if made.get_config()["running"] != base:
            made.load_replace_candidate(config=base)
            made.commit_config()
        yield made
    # A timer that has just reverted may still be tidying up.
    wait_for(lambda: not list(temporary.iterdir()))


def startup(one: Router) -> str:
    return (one.config / "frr.conf").read_text()


def test_napalm_finds_the_driver_by_its_name() -> None:
    assert napalm.get_network_driver("frr") is FRRDriver


# What frr-reload.py and vtysh do with faulty candidates


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
    assert timers(one) == []


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
    driver.commit_config(revert_in=1)
    assert os.uname().nodename == "r2"
    wait_for(lambda: os.uname().nodename == old)


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


# Confirmed commits


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


def test_a_commit_that_nobody_confirms_goes_back_by_itself(driver: FRRDriver, one: Router) -> None:
    before, saved = one.running(), startup(one)
    driver.load_merge_candidate(config=ROUTE)
    driver.commit_config(revert_in=2)
    assert driver.has_pending_commit()
    assert ROUTE in one.running()
    # frr-reload.py writes by itself, which would make it the configuration of the next boot.
    assert startup(one) == saved
    wait_for(lambda: not driver.has_pending_commit())
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
    assert (one.running(), timers(one), startup(one)) == (one.running().replace(ROUTE, ""), [], saved)


def test_a_confirmed_commit_stays_and_its_timer_is_gone(driver: FRRDriver, one: Router) -> None:
    driver.load_merge_candidate(config=ROUTE)
    driver.commit_config(revert_in=2)
    assert len(timers(one)) == 1
    driver.confirm_commit()
    assert not driver.has_pending_commit()
    assert timers(one) == []
    time.sleep(2.5)
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
    assert timers(one) == []


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
        mine.commit_config(revert_in=1)
        good = wrapper.read_text()
        wrapper.write_text(f"#!/bin/sh\necho no luck, password {SECRET}; exit 1\n")
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
    (timer,) = timers(one)
    assert not driver.has_pending_commit()
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


# Secrets


def test_passwords_are_in_no_message_no_argument_and_no_log(
    driver: FRRDriver, one: Router, base: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    reload_log = Path("/var/log/frr/frr-reload.log")
    logged = reload_log.read_text() if reload_log.exists() else None
    seen: list[str] = []
    plain_run = transport.LocalTransport.run

    def run(self: transport.LocalTransport, argv: list[str], stdin: bytes = b"", timeout: float = 60) -> object:
        seen.extend(argv)
        return plain_run(self, argv, stdin, timeout)

    monkeypatch.setattr(transport.LocalTransport, "run", run)
    with pytest.raises(ReplaceConfigException) as caught:
        driver.load_replace_candidate(config=base + f"router bgp 65001\n neighbor 192.0.2.2 pasword {SECRET}\n")
    driver.load_replace_candidate(config=base + f"router bgp 65001\n neighbor 192.0.2.9 password {SECRET}2\nexit\n")
    driver.compare_config()
    driver.commit_config()
    driver.rollback()
    assert SECRET in base
    assert not any(SECRET in word for word in seen)
    assert SECRET not in str(caught.value) + caplog.text
    assert (reload_log.read_text() if reload_log.exists() else None) == logged


def test_a_sanitized_configuration_has_no_passwords(driver: FRRDriver, base: str) -> None:
    assert SECRET in driver.get_config()["running"]
    sane = driver.get_config(sanitized=True)
    assert SECRET not in str(sane)
    assert " neighbor 192.0.2.2 password <removed>\n" in sane["running"]
    assert sane["running"].count("\n") == base.count("\n")


def test_a_format_that_is_not_text_is_refused(driver: FRRDriver) -> None:
    with pytest.raises(NotImplementedError):
        driver.get_config(format="json")


# What a device may say


def test_bytes_that_are_not_utf8_stop_a_commit_that_could_not_be_taken_back(driver: FRRDriver, one: Router) -> None:
    one.execute("sh", "-c", f"printf 'interface eth1\\n description caf\\351\\n' > {one.folder}/latin1")
    one.execute("vtysh", "--vty_socket", one.sockets, "--config_dir", one.config, "-f", one.folder / "latin1")
    try:
        assert "description caf\ufffd\n" in driver.get_config()["running"]
        assert driver.get_interfaces()["eth1"]["description"] == "caf\ufffd"
        with pytest.raises(MergeConfigException, match=r"(?s)not UTF-8.*description caf\ufffd.*vtysh first"):
            driver.load_merge_candidate(config=ROUTE)
    finally:
        one.vtysh("configure", "interface eth1", "no description")


def test_a_file_that_is_not_utf8_is_refused(driver: FRRDriver, tmp_path: Path) -> None:
    (tmp_path / "latin1").write_bytes(b"interface eth1\n description caf\xe9\n")
    with pytest.raises(MergeConfigException, match="line 2 is not UTF-8"):
        driver.load_merge_candidate(filename=str(tmp_path / "latin1"))


def test_all_letters_of_the_world_may_be_in_a_description(driver: FRRDriver, base: str) -> None:
    driver.load_replace_candidate(config=base + "interface eth1\n description café → 東京\nexit\n")
    driver.commit_config()
    assert " description café → 東京\n" in driver.get_config()["running"]
    driver.rollback()


def test_a_description_cannot_drive_the_terminal_of_who_reads_it(driver: FRRDriver, one: Router) -> None:
    one.execute("sh", "-c", f"printf 'interface eth1\\n description a\\033[2Jb\\n' > {one.folder}/escape")
    one.execute("vtysh", "--vty_socket", one.sockets, "--config_dir", one.config, "-f", one.folder / "escape")
    for text in (driver.cli(["show running-config"]), driver.get_interfaces(), driver.get_config()):
        assert "\x1b" not in str(text).replace("\\x1b", "")
        assert "\\x1b[2Jb" in str(text).replace("\\\\", "\\")


def test_a_daemon_that_hangs_costs_the_timeout_and_no_more(one: Router, base: str) -> None:
    made = FRRDriver("localhost", "", "", timeout=2, optional_args=one.optional_args)
    made.open()
    os.kill(one.daemons["zebra"], signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(CommandTimeoutException, match="2 s"):
            made.get_interfaces()
        assert time.monotonic() - started < 5
    finally:
        os.kill(one.daemons["zebra"], signal.SIGCONT)
        made.close()


def test_a_device_that_never_stops_printing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MOST_BYTES", 1_000_000)
    local = transport.LocalTransport()
    local.open()
    with pytest.raises(ConnectionException, match="more than"):
        local.run(["cat", "/dev/zero"])


def test_half_a_configuration_is_not_applied(driver: FRRDriver) -> None:
    with pytest.raises(ConnectionException, match="did not reach the device whole"):
        driver._device.run_script("commit", b"ip route 10.0.0.0/8", bytes=25, kind="merge", baseline="", hostname="",
                                  revert_in="", token="", timer="")  # fmt: skip


# What may be missing


def test_frr_that_does_not_run_is_said_with_the_remedy() -> None:
    with pytest.raises(ConnectionException, match=r"(?s)does not answer.*failed to connect.*frrvty"):
        FRRDriver("localhost", "", "", optional_args={"transport": "local", "vty_socket": "/nonexistent"}).open()


def test_a_driver_that_is_closed_says_so(one: Router) -> None:
    closed = connect(one)
    assert closed.is_alive() == {"is_alive": False}
    with pytest.raises(ConnectionClosedException, match="open"):
        closed.get_facts()


@pytest.mark.parametrize(
    ("hidden", "words"),
    [("/usr/lib/frr/frr-reload.py", "frr-pythontools"), ("/usr/bin/vtysh", "install the package frr there")],
)
def test_a_package_that_is_missing_on_the_device_is_named(
    driver: FRRDriver, one: Router, hidden: str, words: str
) -> None:
    program = textwrap.dedent(f"""
        from napalm_frr import FRRDriver
        driver = FRRDriver("localhost", "", "", optional_args={one.optional_args!r})
        driver.open()
        driver.load_merge_candidate(config={ROUTE!r})
        driver.commit_config()
    """)
    hide = 'mount --bind /dev/null "$1" && shift && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hide, "sh", hidden, sys.executable, "-c", program],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.search(rf"ConnectionException: .*\n(.*\n)*.*{words}", done.stderr), done.stderr
    assert ROUTE not in one.running()


def test_a_driver_with_sudo_does_all_with_it(
    driver: FRRDriver, one: Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not the real one: test machines have none, and as root it would change nothing but the words.
    log = tmp_path / "log"
    (tmp_path / "sudo").write_text(f'#!/bin/sh\n[ "$1 $2" = "-n --" ] || exit 1\nshift 2\necho x >>{log}\nexec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with connect(one, sudo=True) as mine:
        mine.load_merge_candidate(config=ROUTE)
        mine.commit_config()
    assert len(log.read_text().splitlines()) == 3
    assert ROUTE in one.running()


def test_a_reload_that_does_not_end_is_ended_and_put_back(
    driver: FRRDriver, one: Router, base: str, tmp_path: Path
) -> None:
    wrapper, ran = tmp_path / "frr-reload.py", tmp_path / "ran"
    wrapper.write_text(
        f'#!/bin/sh\n[ -e {ran} ] || {{ : >{ran}; vtysh --vty_socket {one.sockets} -c configure -c "ip route '
        f'198.51.100.0/24 Null0"; exec sleep 60; }}\nexec /usr/lib/frr/frr-reload.py "$@"\n'
    )
    wrapper.chmod(0o755)
    before = one.running()
    mine = FRRDriver("localhost", "", "", 2, one.optional_args | {"frr_reload": str(wrapper)})
    with mine:
        mine.load_replace_candidate(config=base + ROUTE)
        with pytest.raises(ReplaceConfigException, match=r"(?s)as it was before.*no end within 2 s"):
            mine.commit_config()
    assert one.running() == before


def test_an_option_that_cannot_be_is_refused_at_once() -> None:
    for wrong in ({"transport": "telnet"}, {"sudo": "maybe"}, {"netns": "a;b"}, {"pathspace": "a", "vty_socket": "b"}):
        with pytest.raises(ValueError, match="optional_args"):
            FRRDriver("r1", "", "", optional_args=wrong)


# Getters, with right values


@pytest.fixture(scope="module")
def pair(own_hostname: None) -> Iterator[tuple[Router, Router]]:
    with bgp_pair() as made:
        yield made


@pytest.fixture(scope="module")
def left(pair: tuple[Router, Router]) -> Iterator[FRRDriver]:
    with connect(pair[0]) as made:
        yield made


def test_facts_are_those_of_the_device(left: FRRDriver) -> None:
    facts = left.get_facts()
    assert facts["hostname"] == facts["fqdn"] == os.uname().nodename
    assert re.fullmatch(r"\d+\.\d+.*", facts["os_version"])
    assert facts["uptime"] > 1
    assert {"eth1", "lo"} <= set(facts["interface_list"])


def test_interfaces_have_their_addresses_and_counters(left: FRRDriver) -> None:
    eth1 = left.get_interfaces()["eth1"]
    assert (eth1["is_up"], eth1["is_enabled"], eth1["mtu"]) == (True, True, 1500)
    assert re.fullmatch(r"([0-9A-F]{2}:){5}[0-9A-F]{2}", eth1["mac_address"])
    addresses = left.get_interfaces_ip()
    assert addresses["eth1"]["ipv4"] == {"192.0.2.1": {"prefix_length": 30}}
    assert addresses["eth1"]["ipv6"]["2001:db8::1"] == {"prefix_length": 64}
    assert left.get_interfaces_counters()["eth1"]["rx_octets"] > 100


def test_a_bgp_session_that_stands_is_seen_as_it_is(left: FRRDriver) -> None:
    instance = left.get_bgp_neighbors()["global"]
    assert instance["router_id"] == "10.0.0.1"
    peer = instance["peers"]["192.0.2.2"]
    assert peer.pop("uptime") >= 0
    assert peer == {
        "local_as": 65001, "remote_as": 65002, "remote_id": "8.8.8.8", "is_up": True, "is_enabled": True,
        "description": "the right one",
        "address_family": {"ipv4": {"received_prefixes": 2, "accepted_prefixes": 2, "sent_prefixes": 3}},
    }  # fmt: skip
    shut = instance["peers"]["192.0.2.9"]
    assert (shut["is_up"], shut["is_enabled"], shut["uptime"], shut["remote_id"]) == (False, False, -1, "")
    (detail,) = left.get_bgp_neighbors_detail("192.0.2.2")["global"][65002]
    assert (detail["up"], detail["local_address"], detail["holdtime"]) == (True, "192.0.2.1", 180)
    assert 179 in (detail["local_port"], detail["remote_port"])


def test_a_route_has_its_next_hop_and_its_attributes(left: FRRDriver) -> None:
    (route,) = left.get_route_to("1.0.4.0/24", "bgp")["1.0.4.0/24"]
    assert route.pop("age") >= 0
    attributes = route.pop("protocol_attributes")
    assert route == {
        "protocol": "bgp", "current_active": True, "last_active": True, "next_hop": "192.0.2.2",
        "outgoing_interface": "eth1", "selected_next_hop": True, "preference": 20, "inactive_reason": "",
        "routing_table": "default",
    }  # fmt: skip
    assert attributes == {
        "local_as": 65001, "remote_as": 65002, "peer_id": "192.0.2.2", "as_path": "65002",
        "communities": ["65002:1", "65002:2"], "local_preference": 100, "preference2": -101, "metric": 77, "metric2": 0,
    }  # fmt: skip


def test_routes_are_found_by_address_prefix_and_protocol(left: FRRDriver) -> None:
    assert list(left.get_route_to("1.0.4.9")) == ["1.0.4.0/24"]
    assert left.get_route_to("1.0.0.0/8") == {}
    assert list(left.get_route_to("1.0.0.0/8", longer=True)) == ["1.0.4.0/24"]
    assert left.get_route_to("1.0.4.0/24", protocol="ospf") == {}
    assert set(left.get_route_to(protocol="bgp")) == {"1.0.4.0/24", "8.8.8.8/32"}
    assert "2001:db8::/64" in left.get_route_to(protocol="direct")
    with pytest.raises(ValueError, match="neither an address nor a prefix"):
        left.get_route_to("1.0.4.0/24 json\nconfigure")


def test_neighbours_at_layer_2_are_those_of_the_kernel(left: FRRDriver, pair: tuple[Router, Router]) -> None:
    mac = pair[1].execute("cat", "/sys/class/net/eth1/address").strip().upper()
    (entry,) = left.get_arp_table()
    assert (entry["interface"], entry["ip"], entry["mac"]) == ("eth1", "192.0.2.2", mac)
    assert {one["ip"]: one["mac"] for one in left.get_ipv6_neighbors_table()}["2001:db8::2"] == mac


def test_network_instances_are_vrfs_with_their_route_distinguishers(left: FRRDriver) -> None:
    left.load_merge_candidate(
        config="vrf red\nexit-vrf\nrouter bgp 65001 vrf red\n address-family ipv4 unicast\n"
        "  rd vpn export 65001:7\n exit-address-family\nexit\n"
    )
    left.commit_config()
    instances = left.get_network_instances()
    assert instances["red"]["state"] == {"route_distinguisher": "65001:7"}
    assert {"eth1", "lo"} <= set(instances["default"]["interfaces"]["interface"])
    assert list(left.get_network_instances("red")) == ["red"]
    assert left.get_network_instances("blue") == {}
    assert left.get_bgp_neighbors()["red"]["peers"] == {}
    left.rollback()


def test_ping_counts_what_came_and_what_did_not(left: FRRDriver) -> None:
    good = left.ping("192.0.2.2", count=3, source_interface="eth1")["success"]
    assert (good["probes_sent"], good["packet_loss"], len(good["results"])) == (3, 0, 3)
    assert 0 < good["rtt_min"] <= good["rtt_avg"] <= good["rtt_max"]
    assert left.ping("2001:db8::2", count=1)["success"]["results"][0]["ip_address"] == "2001:db8::2"
    lost = left.ping("192.0.2.2", count=2, timeout=1, size=70000)["success"]
    assert (lost["probes_sent"], lost["packet_loss"], lost["results"]) == (2, 2, [])
    assert "unreachable" in left.ping("203.0.113.1", count=1, timeout=1)["error"]
    with pytest.raises(ValueError, match="neither a name nor an address"):
        left.ping("-f")


def test_traceroute_finds_its_way_and_says_when_there_is_none(left: FRRDriver) -> None:
    probes = left.traceroute("8.8.8.8", timeout=1)["success"][1]["probes"]
    assert probes[1]["ip_address"] == "8.8.8.8"
    assert 0 <= probes[1]["rtt"] < 1000
    assert "unreachable" in left.traceroute("203.0.113.1", timeout=1)["error"]


def test_cli_gives_text_and_json_and_frrs_own_words(left: FRRDriver) -> None:
    assert "65002" in left.cli(["show bgp summary"])["show bgp summary"]
    assert left.cli(["show bgp summary"], encoding="json")["show bgp summary"]["ipv4Unicast"]["as"] == 65001
    for wrong in ("show nonsense", "show version\nconfigure"):
        with pytest.raises(CommandErrorException, match=r"Unknown command|one line"):
            left.cli([wrong])
    with pytest.raises(ConnectionException, match=r"(?s)not the JSON.*65002"):
        left.cli(["show bgp summary | include json"], encoding="json") and left._device.show_json("show bgp summary")


def test_a_router_without_bgpd_has_no_bgp_neighbours(pair: tuple[Router, Router]) -> None:
    with connect(pair[1]) as right:
        assert right.get_bgp_neighbors()["global"]["peers"]["192.0.2.1"]["is_up"]
        pair[1].stop("bgpd")
        assert right.get_bgp_neighbors() == {"global": {"router_id": "", "peers": {}}}
        assert right.get_route_to("1.0.4.0/24")["1.0.4.0/24"][0]["protocol"] == "static"
