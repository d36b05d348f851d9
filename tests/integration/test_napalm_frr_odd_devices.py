"""The driver on live FRR: what a device may keep secret, what it may say, and what it may lack."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from napalm.base.exceptions import (
    CommandTimeoutException,
    ConnectionClosedException,
    ConnectionException,
    MergeConfigException,
    ReplaceConfigException,
)
from support.frr import live
from support.frr.live import ROUTE, SECRET, connect
from support.frr.routers import Router

from napalm_frr import FRRDriver, transport

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")

own_hostname, one, base, driver = live.own_hostname, live.one, live.base, live.driver


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
        assert time.monotonic() - started < 20
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
    assert re.search(rf"(NothingChanged|ConnectionException): .*\n(.*\n)*.*{words}", done.stderr), done.stderr
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
    mine = FRRDriver("localhost", "", "", 10, one.optional_args | {"frr_reload": str(wrapper)})
    with mine:
        mine.load_replace_candidate(config=base + ROUTE)
        with pytest.raises(ReplaceConfigException, match=r"(?s)as it was before.*no end within 10 s"):
            mine.commit_config()
    assert one.running() == before


def test_an_option_that_cannot_be_is_refused_at_once() -> None:
    for wrong in ({"transport": "telnet"}, {"sudo": "maybe"}, {"netns": "a;b"}, {"pathspace": "a", "vty_socket": "b"}):
        with pytest.raises(ValueError, match="optional_args"):
            FRRDriver("r1", "", "", optional_args=wrong)
