"""The driver on live FRR: full disks, timers that are faster, callers that are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from napalm.base.exceptions import ConnectionException, MergeConfigException
from support.frr import live
from support.frr.live import ROUTE, connect, startup, timers
from support.frr.routers import Router, call, wait_for

from napalm_frr import FRRDriver

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")

own_hostname, one, base, driver = live.own_hostname, live.one, live.base, live.driver

EARLIER = "ip route 198.51.100.0/24 Null0\n"
PEER_GROUP = "router bgp 65001\n neighbor 192.0.2.77 peer-group nosuch\nexit\n"
OSPF = "router ospf\n network 10.0.0.0/8 area 0\nexit\n"


@pytest.mark.parametrize("files", [0, 1, 2, 3])
def test_a_timer_that_has_no_room_for_its_files_stops_the_commit(driver: FRRDriver, one: Router, files: int) -> None:
    before = one.running()
    driver.load_merge_candidate(config=EARLIER)
    driver.commit_config()
    driver.load_merge_candidate(config=ROUTE)
    pages = max(1, files)
    call("mount", "-t", "tmpfs", "-o", f"size={pages * 4096}", "tmpfs", one.state)
    try:
        if not files:
            (one.state / "filled").write_bytes(bytes(4096))
        with pytest.raises(ConnectionException, match=r"(?s)cannot keep.*nothing was changed.*free space"):
            driver.commit_config(revert_in=600)
        assert {file.name for file in one.state.iterdir()} <= {"filled"}
    finally:
        call("umount", one.state)
    assert ROUTE not in one.running()
    wait_for(lambda: timers(one) == [])
    # What never began is not what a rollback goes back from.
    driver.rollback()
    assert one.running() == before


def test_a_rollback_after_a_commit_that_was_half_put_back_goes_back_from_that_commit(
    driver: FRRDriver, one: Router, tmp_path: Path
) -> None:
    wrapper, broken = tmp_path / "frr-reload.py", tmp_path / "broken"
    wrapper.write_text(f'#!/bin/sh\n[ ! -e {broken} ] || exit 1\nexec /usr/lib/frr/frr-reload.py "$@"\n')
    wrapper.chmod(0o755)
    with connect(one, frr_reload=str(wrapper)) as mine:
        mine.load_merge_candidate(config=EARLIER)
        mine.commit_config()
        before = one.running()
        mine.load_merge_candidate(config=ROUTE + PEER_GROUP)
        broken.touch()
        with pytest.raises(MergeConfigException, match=r"(?s)NOT be put back.*Try rollback"):
            mine.commit_config()
        assert ROUTE in one.running()
        broken.unlink()
        mine.rollback()
        assert one.running() == before


def test_a_timer_that_is_faster_than_the_driver_is_no_failure_to_put_back(
    driver: FRRDriver, one: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = one.running()
    one.start("ospfd")
    try:
        driver.load_merge_candidate(config=ROUTE + OSPF)
    finally:
        one.stop("ospfd")
    show = driver._device.show

    def late(command: str) -> str:
        wait_for(lambda: not driver.has_pending_commit())
        return show(command)

    monkeypatch.setattr(driver._device, "show", late)
    with pytest.raises(MergeConfigException, match=r"(?s)ospfd.*as it was before"):
        driver.commit_config(revert_in=1)
    assert one.running() == before


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_caller_that_is_interrupted_leaves_no_half_commit(
    driver: FRRDriver, one: Router, base: str, tmp_path: Path, seconds: int
) -> None:
    """seconds: after which the driver loses patience by itself; 0: somebody interrupts it."""
    begun, wrapper = tmp_path / "begun", tmp_path / "slow-reload"
    wrapper.write_text(f'#!/bin/sh\n: >{begun}\nsleep 1.2\nexec /usr/lib/frr/frr-reload.py "$@"\n')
    wrapper.chmod(0o755)
    patience = f"device.COMMANDS_IN_A_SCRIPT = 0; device.GRACE_SECONDS = {seconds}" if seconds else ""
    program = textwrap.dedent(f"""
        from napalm_frr import FRRDriver, device
        driver = FRRDriver("localhost", "", "", optional_args={one.optional_args | {"frr_reload": str(wrapper)}!r})
        driver.open()
        driver.load_replace_candidate(config={base + ROUTE!r})
        {patience}
        driver.commit_config()
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    wait_for(begun.exists, 60)
    if not seconds:
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert ("No answer within 1 s" if seconds else "KeyboardInterrupt") in said
    wait_for(lambda: ROUTE in startup(one), 60)
    assert ROUTE in one.running()
